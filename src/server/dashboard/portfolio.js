// What is held and what it is worth.

import { byId, chip, element, emptyRow, setText } from "./dom.js";
import { arrow, group, NONE, places, round, sign, signed } from "./format.js";

const tone = (text) => ["down", "", "up"][sign(text) + 1];

// Two places, more for what is worth less than one.
const money = (text) => {
  if (text == null) return NONE;
  const small = Math.abs(Number(text)) < 1 && sign(text) !== 0;
  return group(round(text, small ? Math.min(8, Math.max(2, places(text))) : 2));
};
const moneySigned = (text) => (text == null ? NONE : (sign(text) > 0 ? "+" : "") + money(text));
const percent = (text) => (text == null ? NONE : `${signed(round(text, 2))} %`);

/** Shows the data of a `portfolio_update`; an error instead where there is one. */
export function showPortfolio(data, error = null) {
  const total = byId("portfolio-total");
  const body = byId("holdings");
  const mark = byId("portfolio-mark");
  const holdings = data?.holdings ?? [];
  mark.replaceChildren();
  if (holdings.length === 0) {
    total.replaceChildren();
    total.hidden = true;
    const none = "Nothing is held. List it under [portfolio.holdings] in the configuration.";
    body.replaceChildren(emptyRow(5, error ? `No portfolio: ${error.message}` : none));
    return;
  }
  if (data.partial === true) {
    const unpriced = holdings.filter((holding) => holding.value == null).map((holding) => holding.symbol);
    mark.append(chip("partial", "warn", `not in the total: ${unpriced.join(", ")}`));
  }
  total.hidden = false;
  total.replaceChildren(
    element("b", { title: data.total_value, text: money(data.total_value) }),
    element("span", { class: "unit", text: data.quote }),
    element("span", {
      class: tone(data.total_change_24h),
      title: `${signed(data.total_change_24h)} in 24 h`,
      text: `${arrow(sign(data.total_change_24h))} ${moneySigned(data.total_change_24h)} (${percent(data.total_change_percent_24h)})`,
    }),
    profit(data.total_profit ?? data.profit),
  );
  body.replaceChildren(...holdings.map(row));
}

function profit(text) {
  if (text == null) return null;
  return element("span", { class: tone(text), title: "profit or loss against the cost", text: `P/L ${moneySigned(text)}` });
}

function row(holding) {
  const unpriced = holding.value == null;
  const asset = element("th", { scope: "row" }, element("b", { text: holding.symbol }));
  if (holding.via) asset.append(element("small", { text: ` via ${holding.via}`, title: `${holding.pair}, then ${holding.via}` }));
  const value = element("td", { class: "number" });
  if (unpriced) value.append(chip("no price", "warn", holding.unpriced ?? "not in the total"));
  else value.append(element("span", { title: group(holding.value), text: money(holding.value) }));
  const change = `${arrow(sign(holding.change_24h))} ${percent(holding.change_percent_24h)}`;
  const gained = holding.profit == null ? "" : `; profit or loss ${signed(holding.profit)}`;
  return element(
    "tr",
    { title: holding.pair ? `${holding.pair}${gained}` : null },
    asset,
    element("td", { class: "number", text: group(holding.amount) }),
    element("td", { class: "number", title: group(holding.price), text: holding.price == null ? NONE : price(holding.price) }),
    value,
    element("td", { class: `number ${tone(holding.change_24h)}`, title: `${signed(holding.change_24h)} in 24 h`, text: unpriced ? NONE : change }),
  );
}

// As sent, unless a division made more digits than anybody reads.
const price = (text) => group(places(text) > 8 ? round(text, 8) : text);

/** Says that it is loading. */
export function clearPortfolio() {
  setText(byId("portfolio-total"), "");
  byId("portfolio-total").hidden = true;
  byId("holdings").replaceChildren(emptyRow(5, "loading"));
}
