// Strategies: their state, and what they say.

import { api } from "./api.js";
import { byId, chip, element, emptyRow } from "./dom.js";
import { group, moment, time } from "./format.js";

const KEPT = 100;
const TONES = { running: "good", stopped: "idle", failed: "bad" };

export class Strategies {
  #timer = null;

  constructor() {
    byId("signals").append(element("li", { class: "empty", text: "None since this page was opened." }));
  }

  async load() {
    try {
      const { strategies } = await api.strategies();
      const none = emptyRow(4, "None is configured. They are [strategies.NAME] in the configuration.");
      const rows = strategies.map((strategy) => this.#row(strategy));
      byId("strategies").replaceChildren(...(rows.length ? rows : [none]));
    } catch (error) {
      byId("strategies").replaceChildren(emptyRow(4, `No strategies: ${error.message}`));
    }
  }

  /** Takes one signal. */
  signal(signal) {
    const log = byId("signals");
    log.querySelector(".empty")?.remove();
    const tone = { buy: "up", sell: "down" }[signal.side] ?? "";
    const mark = { buy: "▲ buy", sell: "▼ sell", exit: "■ exit" }[signal.side] ?? signal.side;
    log.prepend(
      element(
        "li",
        { title: `${moment(signal.timestamp)} UTC` },
        element("time", { text: time(signal.timestamp) }),
        element("span", { class: tone, text: mark }),
        element("span", { text: `${signal.symbol} ${group(signal.price)}` }),
        element("span", { class: "quiet", text: signal.strategy }),
      ),
    );
    while (log.children.length > KEPT) log.lastChild.remove();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.load(), 300);
  }

  #row(strategy) {
    const running = strategy.state === "running";
    const action = running ? "stop" : "start";
    const word = running ? "Stop" : "Start";
    const failed = element("span", { class: "bad", text: strategy.error ?? "" });
    const change = async () => {
      try {
        await api.switchStrategy(strategy.name, action);
        await this.load();
        byId("strategies").querySelector(`[data-name="${CSS.escape(strategy.name)}"]`)?.focus();
      } catch (error) {
        failed.textContent = error.message;
      }
    };
    // Its provider is in the title: most have but one.
    const markets = strategy.symbols ?? [];
    const symbols = markets.map((market) => market.slice(market.indexOf(":") + 1)).join(" ");
    const about = element("th", { scope: "row" }, element("b", { text: strategy.name }));
    about.append(element("span", { class: "quiet", title: markets.join(" "), text: ` ${strategy.interval ?? ""} ${symbols}` }), failed);
    const last = strategy.last_signal ? `last ${moment(strategy.last_signal)} UTC` : "none yet";
    const label = `${word} strategy ${strategy.name}`;
    return element(
      "tr",
      {},
      about,
      element("td", {}, chip(strategy.state, TONES[strategy.state] ?? "idle", strategy.error)),
      element("td", { class: "number", title: last, text: strategy.signals }),
      element("td", { class: "action" }, element("button", { type: "button", "data-name": strategy.name, "aria-label": label, text: word, on: { click: change } })),
    );
  }
}
