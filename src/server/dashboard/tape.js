// The tape: the newest trades of the chosen market.

import { api } from "./api.js";
import { byId, element, emptyRow, hidden, painter, setText } from "./dom.js";
import { arrow, group, time } from "./format.js";

const ROWS = 100;

export class Tape {
  #market = null;
  #entries = [];
  #ids = new Set();
  #loads = 0;
  #body = byId("tape");
  #paint = painter(() => this.#draw());
  #note = "";

  /** Loads a market. Trades that arrive meanwhile are kept, none twice. */
  async load(exchange, symbol) {
    const load = ++this.#loads;
    const same = this.#market && this.#market.exchange === exchange && this.#market.symbol === symbol;
    this.#market = symbol ? { exchange, symbol } : null;
    setText(byId("tape-symbol"), symbol ?? "");
    if (!same) {
      this.#entries = [];
      this.#ids.clear();
    }
    this.#note = symbol ? "loading trades" : "";
    this.#paint();
    if (!symbol) return;
    try {
      const { trades, gaps = [] } = await api.trades(exchange, symbol, ROWS);
      if (load !== this.#loads) return;
      this.#note = "No trade yet.";
      const live = this.#entries;
      const past = new Set(trades.map((trade) => trade.id));
      const known = [...trades.map((trade) => ({ trade })), ...gaps.map((gap) => ({ gap }))];
      known.sort((one, other) => momentOf(one).localeCompare(momentOf(other)));
      const newer = live.filter((entry) => (entry.trade ? !past.has(entry.trade.id) : !isIn(entry.gap, gaps)));
      this.#entries = [...known, ...newer].slice(-ROWS);
      this.#ids = new Set(this.#entries.map((entry) => entry.trade?.id));
    } catch (error) {
      if (load !== this.#loads) return;
      this.#note = `No trades: ${error.message}`;
    }
    this.#paint();
  }

  /** Takes a trade that came live. */
  trade(trade) {
    if (!this.#isShown(trade) || this.#ids.has(trade.id)) return;
    this.#ids.add(trade.id);
    this.#append({ trade });
  }

  /** Takes a hole in the trades. */
  gap(gap) {
    if (this.#isShown(gap) && gap.stream === "trades") this.#append({ gap });
  }

  #isShown({ exchange, symbol }) {
    return this.#market?.exchange === exchange && this.#market?.symbol === symbol;
  }

  #append(entry) {
    this.#entries.push(entry);
    while (this.#entries.length > ROWS) this.#ids.delete(this.#entries.shift().trade?.id);
    this.#paint();
  }

  // The newest on top; rows that are there already are kept.
  #draw() {
    if (this.#entries.length === 0) {
      this.#body.replaceChildren(emptyRow(3, this.#note));
      return;
    }
    for (const entry of this.#entries) entry.row ??= entry.trade ? tradeRow(entry.trade) : gapRow(entry.gap);
    const rows = this.#entries.map((entry) => entry.row).reverse();
    const kept = new Set(rows);
    for (const row of [...this.#body.children]) if (!kept.has(row)) row.remove();
    let next = null;
    for (const row of rows.reverse()) {
      if (row.parentNode !== this.#body || row.nextSibling !== next) this.#body.insertBefore(row, next);
      next = row;
    }
  }
}

const momentOf = (entry) => entry.trade?.timestamp ?? entry.gap?.to ?? entry.gap?.from ?? "";
const isIn = (gap, gaps) => gaps.some((other) => other.from_id === gap.from_id && other.from === gap.from);

function tradeRow(trade) {
  const buy = trade.side === "buy";
  const price = element("td", { class: `number ${buy ? "up" : "down"}` });
  const mark = element("span", { class: "side", "aria-hidden": "true", text: arrow(buy ? 1 : -1) });
  price.append(mark, hidden(buy ? "buy " : "sell "), group(trade.price));
  const title = `${trade.timestamp}, id ${trade.id}${trade.origin === "repair" ? ", fetched afterwards" : ""}`;
  const row = element("tr", { class: trade.suspect === true ? "suspect" : null, title });
  row.append(
    element("td", { text: time(trade.timestamp) }),
    price,
    element("td", { class: "number", text: group(trade.size) }),
  );
  return row;
}

function gapRow(gap) {
  const missing = gap.missing === null ? "an unknown number" : gap.missing;
  const text =
    gap.state === "repaired"
      ? `hole repaired: ${gap.recovered} fetched (${gap.reason})`
      : `hole: ${missing} missing, ${gap.recovered} fetched (${gap.reason})`;
  return element("tr", { class: `hole ${gap.state}` }, element("td", { colspan: 3, text }));
}
