// Alerts: the rules, a form for new ones, and what fired.

import { api } from "./api.js";
import { byId, chip, element, emptyRow, setText } from "./dom.js";
import { group, moment, time } from "./format.js";

const KEPT = 100;
const TONES = { armed: "good", fired: "warn", unknown: "idle", failed: "bad" };

export class Alerts {
  #failed;
  #timer = null;
  #unseen = 0;
  #typed = false;

  constructor(failed) {
    this.#failed = failed;
    byId("alert-form").addEventListener("submit", (event) => this.#create(event));
    byId("alert-symbol").addEventListener("input", () => (this.#typed = byId("alert-symbol").value !== ""));
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) this.#unseen = 0;
    });
    this.#showLogEmpty();
  }

  /** Firings since the page was last looked at. */
  get unseen() {
    return this.#unseen;
  }

  /** Offers this symbol in the form, unless another one was typed there. */
  offer(symbol) {
    if (!this.#typed) byId("alert-symbol").value = symbol ?? "";
  }

  async load() {
    try {
      const { alerts } = await api.alerts();
      this.#show(alerts);
    } catch (error) {
      byId("alerts").replaceChildren(emptyRow(4, `No alerts: ${error.message}`));
    }
  }

  /** Takes one firing. */
  fired(alert) {
    const log = byId("firings");
    log.querySelector(".empty")?.remove();
    const entry = element(
      "li",
      { title: `${moment(alert.timestamp)} UTC, ${alert.id ?? ""}` },
      element("time", { text: time(alert.timestamp) }),
      element("b", { text: alert.name ?? "alert" }),
      element("span", { text: `${alert.symbol ?? ""} ${group(alert.price)}`.trim() }),
      element("span", { class: "quiet", text: alert.message || alert.condition || "" }),
    );
    log.prepend(entry);
    while (log.children.length > KEPT) log.lastChild.remove();
    if (document.hidden) this.#unseen += 1;
    this.refresh();
  }

  /** Asks for the rules again, soon: several firings at once ask once. */
  refresh() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.load(), 300);
  }

  #showLogEmpty() {
    byId("firings").append(element("li", { class: "empty", text: "None since this page was opened." }));
  }

  #show(alerts) {
    const rules = alerts.length === 1 ? "1 rule" : `${alerts.length} rules`;
    setText(byId("alerts-count"), alerts.length ? rules : "");
    const none = emptyRow(4, "No rule yet. A condition is, for example, price > 100000 or pct_change(15m) < -2%.");
    byId("alerts").replaceChildren(...(alerts.length ? alerts.map((alert) => this.#row(alert)) : [none]));
  }

  #row(alert) {
    const last = alert.last_fired ? `last ${moment(alert.last_fired)} UTC` : "not yet";
    const about = element("th", { scope: "row" }, element("b", { text: alert.name }));
    about.append(
      element("span", { class: "quiet", text: ` ${(alert.symbols ?? []).join(" ")}` }),
      element("code", { text: alert.condition }),
    );
    if (alert.error) about.append(element("span", { class: "bad", text: alert.error }));
    const state = chip(alert.state, TONES[alert.state] ?? "idle", alert.error ?? last);
    const end = element("td", { class: "action" });
    if (alert.origin === "config") {
      end.append(element("small", { class: "quiet", title: "it is in the configuration file", text: "config" }));
    } else {
      const remove = () => this.#delete(alert.name);
      const label = `Delete alert ${alert.name}`;
      end.append(element("button", { type: "button", class: "remove", "aria-label": label, text: "×", on: { click: remove } }));
    }
    const fired = element("td", { class: "number", title: last, text: alert.fired });
    return element("tr", { title: alert.message ?? null }, about, element("td", {}, state), fired, end);
  }

  async #create(event) {
    event.preventDefault();
    const form = event.target;
    const rule = {};
    for (const [name, value] of new FormData(form)) {
      const text = value.trim();
      if (text) rule[name] = text;
    }
    try {
      await api.createAlert(rule);
      this.#failed("alert-error", null);
      form.reset();
      this.#typed = false;
      byId("alert-symbol").value = rule.symbol ?? "";
      byId("alert-condition").focus();
      await this.load();
    } catch (error) {
      this.#failed("alert-error", error);
    }
  }

  async #delete(name) {
    try {
      await api.deleteAlert(name);
      this.#failed("alert-error", null);
    } catch (error) {
      this.#failed("alert-error", error);
    }
    await this.load();
    byId("alert-condition").focus();
  }
}
