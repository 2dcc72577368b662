// The watch list: one row per market, prices as they come.

import { api } from "./api.js";
import { byId, element, emptyRow, painter, setText } from "./dom.js";
import { arrow, compact, group, NONE, round, sign, signed } from "./format.js";

const STILL = matchMedia("(prefers-reduced-motion: reduce)");
const FLASH_MS = 700;
const SUGGESTIONS = 50;

/** What tells markets apart. */
export const keyOf = (exchange, symbol) => `${exchange}:${symbol}`;

export class WatchList {
  #rows = new Map();
  #changed = new Set();
  #removed = new Set();
  #selected = null;
  #body = byId("watch");
  #choose;
  #failed;
  #paint = painter(() => this.#draw());

  /** `choose(exchange, symbol)` is called for the market to show, or with nulls where there is none. */
  constructor(choose, failed) {
    this.#choose = choose;
    this.#failed = failed;
    byId("add").addEventListener("submit", (event) => this.#add(event));
    this.#suggest(byId("add-symbol"));
    this.#suggest(byId("alert-symbol"));
    this.#body.addEventListener("keydown", (event) => this.#step(event));
    this.#showEmpty();
  }

  /** The market that is shown. */
  get selected() {
    return this.#rows.get(this.#selected) ?? null;
  }

  /** Every market there is: `{key, exchange, symbol}`. */
  get markets() {
    return [...this.#rows.values()];
  }

  /** Takes the list of the server: rows that it does not serve go. */
  load(markets, prices) {
    const served = new Set();
    for (const { exchange, symbol } of [...markets, ...prices]) served.add(keyOf(exchange, symbol));
    for (const key of this.#removed) if (!served.has(key)) this.#removed.delete(key);
    for (const key of [...this.#rows.keys()]) if (!served.has(key)) this.#drop(key);
    for (const { exchange, symbol } of markets) this.#row(exchange, symbol);
    for (const price of prices) this.update(price, price.stale === true);
    // In the server's order, whoever was heard of first.
    const order = [...served].filter((key) => this.#rows.has(key));
    this.#rows = new Map(order.map((key) => [key, this.#rows.get(key)]));
    for (const row of this.#rows.values()) this.#body.append(row.node);
    this.#showEmpty();
  }

  /** Takes one newest price: the fields of a ticker. */
  update(ticker, stale = false) {
    const row = this.#row(ticker.exchange, ticker.symbol);
    if (!row) return;
    if (row.ticker && ticker.price !== row.ticker.price) {
      row.moved = Number(ticker.price) > Number(row.ticker.price) ? 1 : -1;
    }
    row.ticker = ticker;
    row.stale = stale;
    this.#changed.add(row);
    this.#paint();
  }

  /** Marks the markets of an exchange, or one of them, as not current, with the reason; or as current again. */
  mark(exchange, symbol, stale, reason) {
    for (const row of this.#rows.values()) {
      if (row.exchange !== exchange || (symbol && row.symbol !== symbol)) continue;
      row.stale = stale;
      row.reason = reason;
      this.#changed.add(row);
    }
    this.#paint();
  }

  /** Shows this market; the first one where it is not there. */
  select(key) {
    const row = this.#rows.get(key) ?? this.#rows.values().next().value ?? null;
    this.#selected = row?.key ?? null;
    for (const other of this.#rows.values()) {
      other.node.classList.toggle("selected", other === row);
      other.button.setAttribute("aria-pressed", String(other === row));
    }
    this.#choose(row?.exchange ?? null, row?.symbol ?? null);
  }

  #row(exchange, symbol) {
    const key = keyOf(exchange, symbol);
    const known = this.#rows.get(key);
    if (known) return known;
    if (this.#removed.has(key)) return null;
    if (this.#rows.size === 0) this.#body.replaceChildren();
    const cell = (label, name = "") => element("td", { class: `number ${name}`, "data-label": label, text: NONE });
    const button = element("button", {
      type: "button",
      class: "symbol",
      "aria-pressed": "false",
      title: `${key}: show chart and trades`,
      on: { click: () => this.select(key) },
    });
    const [base, quote] = symbol.split("/", 2);
    button.append(
      element("b", { text: quote === undefined ? symbol : base }),
      element("span", { text: quote === undefined ? "" : `/${quote}` }),
      element("small", { text: exchange }),
    );
    const remove = element("button", {
      type: "button",
      class: "remove",
      "aria-label": `Remove ${symbol}`,
      text: "×",
      on: { click: () => this.#remove(key) },
    });
    const row = {
      key,
      exchange,
      symbol,
      button,
      ticker: null,
      cells: {
        price: cell("Price", "price"),
        change: cell("24 h", "change"),
        bid: cell("Bid", "detail"),
        ask: cell("Ask", "detail"),
        spread: cell("Spread", "detail"),
        volume: cell("Volume", "detail"),
      },
    };
    row.node = element("tr", { class: "market" }, element("th", { scope: "row" }, button));
    row.node.append(...Object.values(row.cells), element("td", { class: "action" }, remove));
    row.node.addEventListener("click", (event) => {
      if (!event.target.closest("button")) this.select(key);
    });
    this.#rows.set(key, row);
    this.#body.append(row.node);
    const exchanges = new Set(this.markets.map((market) => market.exchange));
    this.#body.classList.toggle("several", exchanges.size > 1);
    return row;
  }

  #draw() {
    for (const row of this.#changed) this.#drawRow(row);
    this.#changed.clear();
  }

  #drawRow({ node, cells, ticker, stale, reason, ...row }) {
    node.classList.toggle("stale", stale === true);
    node.title = stale ? `not current${reason ? `: ${reason}` : ""}` : "";
    if (!ticker) return;
    setText(cells.price, group(ticker.price));
    const direction = sign(ticker.change_24h ?? ticker.change_percent_24h);
    const percent = ticker.change_percent_24h;
    const shown = percent == null ? NONE : `${signed(round(percent, 2))} %`;
    setText(cells.change, `${arrow(direction)} ${shown}`);
    cells.change.className = `number change ${["down", "", "up"][direction + 1]}`;
    cells.change.title = `${signed(ticker.change_24h)} (${signed(percent)} %) from ${group(ticker.open_24h)}`;
    setText(cells.bid, group(ticker.bid));
    setText(cells.ask, group(ticker.ask));
    setText(cells.spread, group(ticker.spread));
    setText(cells.volume, compact(ticker.volume_24h));
    cells.bid.title = ticker.bid_size ? `size ${group(ticker.bid_size)}` : "";
    cells.ask.title = ticker.ask_size ? `size ${group(ticker.ask_size)}` : "";
    cells.volume.title = `${group(ticker.volume_24h)} in 24 h; ${group(ticker.low_24h)} to ${group(ticker.high_24h)}`;
    this.#flash(this.#rows.get(row.key), cells.price);
  }

  #flash(row, cell) {
    if (!row?.moved) return;
    const name = row.moved > 0 ? "--up" : "--down";
    row.moved = 0;
    if (STILL.matches) return;
    const color = getComputedStyle(document.body).getPropertyValue(name);
    cell.animate([{ color: color || "inherit" }, { color: getComputedStyle(cell).color }], FLASH_MS);
  }

  #drop(key) {
    const row = this.#rows.get(key);
    if (!row) return;
    row.node.remove();
    this.#rows.delete(key);
    this.#changed.delete(row);
    this.#showEmpty();
  }

  #showEmpty() {
    if (this.#rows.size > 0) return;
    this.#body.replaceChildren(emptyRow(8, "No symbol is served. Add one above, for example BTC."));
  }

  async #add(event) {
    event.preventDefault();
    const input = byId("add-symbol");
    const text = input.value.trim();
    if (!text) return;
    try {
      const { symbols = [] } = await api.addSymbol(text);
      this.#failed("add-error", null);
      input.value = "";
      const named = new Set(symbols);
      for (const key of this.#removed) if (named.has(key.slice(key.indexOf(":") + 1))) this.#removed.delete(key);
      await this.reload?.();
      const added = this.markets.find((market) => named.has(market.symbol));
      if (added) this.select(added.key);
    } catch (error) {
      this.#failed("add-error", error);
    }
  }

  async #remove(key) {
    const { exchange, symbol } = this.#rows.get(key);
    try {
      await api.removeSymbol(exchange, symbol);
      this.#failed("add-error", null);
    } catch (error) {
      this.#failed("add-error", error);
      return;
    }
    // It may be served for others a while longer; here it is gone.
    this.#removed.add(key);
    this.#drop(key);
    byId("add-symbol").focus();
    if (this.#selected === key) this.select(null);
  }

  // Up and down move between rows.
  #step(event) {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!by) return;
    const buttons = this.markets.map((market) => market.button);
    const at = buttons.indexOf(document.activeElement);
    const next = buttons[at + by];
    if (at < 0 || !next) return;
    event.preventDefault();
    next.focus();
  }

  #suggest(input) {
    let timer = null;
    input.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(async () => {
        const text = input.value.trim();
        if (!text) return;
        try {
          const { symbols = [] } = await api.findSymbols(text);
          const options = symbols.slice(0, SUGGESTIONS).map(({ symbol }) => element("option", { value: symbol }));
          byId("symbols").replaceChildren(...options);
        } catch {
          // Only a convenience: what is typed is resolved by the server.
        }
      }, 250);
    });
  }
}
