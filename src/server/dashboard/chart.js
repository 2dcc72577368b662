// The candle chart with its volumes. Floats are for drawing only: the legend shows the digits as they came.

import { api } from "./api.js";
import { byId, element, memory, setText } from "./dom.js";
import { group, NONE, places, signed, time } from "./format.js";

export const INTERVALS = { "1m": 60, "5m": 300, "15m": 900, "1h": 3_600, "4h": 14_400, "1d": 86_400 };
const LIMIT = 500;
/** Missing candles that are drawn as room; longer holes are cut to this. */
const WIDEST_HOLE = 120;

const seconds = (text) => Math.floor(Date.parse(text) / 1_000);

export class CandleChart {
  #chart = null;
  #bars;
  #volumes;
  #candles = new Map();
  #newest = 0;
  #colors = {};
  #market = null;
  #interval;
  #changed;
  #loads = 0;
  #waiting = null;
  #hovered = null;

  /** `changed(interval)` is called when another interval is chosen. */
  constructor(changed) {
    this.#changed = changed;
    const remembered = memory.get("interval");
    this.#interval = remembered in INTERVALS ? remembered : "1m";
    for (const interval of Object.keys(INTERVALS)) {
      const choose = () => this.#switch(interval);
      byId("intervals").append(element("button", { type: "button", text: interval, on: { click: choose } }));
    }
    this.#press();
    this.#create();
  }

  get interval() {
    return this.#interval;
  }

  #create() {
    const library = globalThis.LightweightCharts;
    this.#chart = library.createChart(byId("chart"), {
      autoSize: true,
      layout: { attributionLogo: true, background: { color: "transparent" } },
      timeScale: { timeVisible: true, secondsVisible: false, rightOffset: 4 },
      rightPriceScale: { scaleMargins: { top: 0.08, bottom: 0.24 } },
      crosshair: { mode: library.CrosshairMode.Normal },
      localization: { dateFormat: "yyyy-MM-dd" },
    });
    this.#bars = this.#chart.addSeries(library.CandlestickSeries);
    this.#volumes = this.#chart.addSeries(library.HistogramSeries, {
      priceFormat: { type: "volume" },
      priceScaleId: "",
      lastValueVisible: false,
      priceLineVisible: false,
    });
    this.#volumes.priceScale().applyOptions({ scaleMargins: { top: 0.82, bottom: 0 } });
    this.#chart.subscribeCrosshairMove((point) => {
      this.#hovered = point.time ?? null;
      this.#showLegend();
    });
    this.paint();
  }

  /** Takes the colours of the page's theme. */
  paint() {
    const probe = element("i", { class: "probe" });
    document.body.append(probe);
    const color = (name) => {
      probe.className = `probe ${name}`;
      return getComputedStyle(probe).color;
    };
    const [up, down, muted, line, text] = ["up", "down", "muted", "line", "text"].map(color);
    probe.remove();
    const faint = (solid) => solid.replace("rgb(", "rgba(").replace(")", ", 0.35)");
    this.#colors = { up, down, muted, upVolume: faint(up), downVolume: faint(down) };
    const family = getComputedStyle(document.body).fontFamily;
    this.#chart.applyOptions({
      layout: { textColor: text, fontFamily: family, fontSize: 12 },
      grid: { vertLines: { color: line }, horzLines: { color: line } },
      timeScale: { borderColor: line },
      rightPriceScale: { borderColor: line },
      crosshair: {
        vertLine: { color: muted, labelBackgroundColor: muted },
        horzLine: { color: muted, labelBackgroundColor: muted },
      },
    });
    this.#bars.applyOptions({
      upColor: up,
      downColor: down,
      wickUpColor: up,
      wickDownColor: down,
      borderVisible: true,
      borderUpColor: up,
      borderDownColor: down,
    });
    this.#draw(false);
  }

  /** Loads a market. Candles that arrive meanwhile over `update` are kept. */
  async load(exchange, symbol) {
    const load = ++this.#loads;
    const same = this.#market && this.#market.exchange === exchange && this.#market.symbol === symbol;
    this.#market = symbol ? { exchange, symbol } : null;
    setText(byId("chart-title"), symbol ?? "Chart");
    if (!same) {
      this.#candles.clear();
      this.#draw(true);
    }
    if (!symbol) return this.#note("Choose a symbol in the watch list.");
    this.#waiting = [];
    if (this.#candles.size === 0) this.#note("loading candles");
    try {
      const { candles } = await api.candles(exchange, symbol, this.#interval, LIMIT);
      if (load !== this.#loads) return;
      this.#candles = new Map(candles.map((candle) => [seconds(candle.open_time), candle]));
      this.#note(this.#candles.size === 0 ? "No candle yet." : null);
    } catch (error) {
      if (load !== this.#loads) return;
      this.#note(`No candles: ${error.message}`);
    }
    const waiting = this.#waiting;
    this.#waiting = null;
    for (const candle of waiting) this.#candles.set(seconds(candle.open_time), candle);
    this.#draw(true);
  }

  /** Takes a candle that came live. */
  update(candle) {
    const { exchange, symbol } = this.#market ?? {};
    if (candle.exchange !== exchange || candle.symbol !== symbol || candle.interval !== this.#interval) return;
    if (this.#waiting) {
      this.#waiting.push(candle);
      return;
    }
    const at = seconds(candle.open_time);
    if (this.#candles.size === 0) {
      this.#note(null);
      this.#newest = at;
    }
    this.#candles.set(at, candle);
    if (at < this.#newest) return this.#draw(false);
    for (const hole of this.#holes(this.#newest, at)) {
      this.#bars.update({ time: hole });
      this.#volumes.update({ time: hole });
    }
    this.#newest = at;
    this.#bars.update(this.#bar(at, candle));
    this.#volumes.update(this.#volume(at, candle));
    this.#showLegend();
  }

  /** Says that trades are missing in the data. */
  gap(gap) {
    const { exchange, symbol } = this.#market ?? {};
    if (gap.exchange !== exchange || gap.symbol !== symbol || gap.state === "repaired") return;
    const line = byId("chart-gap");
    line.hidden = false;
    const missing = gap.missing === null ? "" : `, ${gap.missing} missing`;
    setText(line, `Hole in the ${gap.stream} from ${time(gap.from)} to ${time(gap.to)} (${gap.reason}${missing})`);
  }

  #switch(interval) {
    if (interval === this.#interval) return;
    this.#interval = interval;
    memory.set("interval", interval);
    this.#press();
    this.#market = null;
    this.#changed(interval);
  }

  #press() {
    for (const button of byId("intervals").children) {
      button.setAttribute("aria-pressed", String(button.textContent === this.#interval));
    }
  }

  #note(text) {
    const note = byId("chart-note");
    note.hidden = text === null;
    setText(note, text ?? "");
  }

  // Times between two candles at which there is none: drawn as room, so that a hole is seen.
  #holes(from, to) {
    const step = INTERVALS[this.#interval];
    const missing = Math.min(Math.round((to - from) / step) - 1, WIDEST_HOLE);
    return Array.from({ length: Math.max(0, missing) }, (_, index) => from + (index + 1) * step);
  }

  #bar(at, candle) {
    const bar = { time: at };
    for (const name of ["open", "high", "low", "close"]) bar[name] = Number(candle[name]);
    // Closed, and yet not all of its trades are known.
    if (candle.closed === true && candle.complete === false) {
      bar.color = "transparent";
      bar.borderColor = this.#colors.muted;
      bar.wickColor = this.#colors.muted;
    }
    return bar;
  }

  #volume(at, candle) {
    const rising = Number(candle.close) >= Number(candle.open);
    const color = rising ? this.#colors.upVolume : this.#colors.downVolume;
    return { time: at, value: Number(candle.volume ?? 0), color };
  }

  #draw(whole) {
    const times = [...this.#candles.keys()].sort((one, other) => one - other);
    const bars = [];
    const volumes = [];
    let last = null;
    for (const at of times) {
      if (last !== null) {
        for (const hole of this.#holes(last, at)) {
          bars.push({ time: hole });
          volumes.push({ time: hole });
        }
      }
      const candle = this.#candles.get(at);
      bars.push(this.#bar(at, candle));
      volumes.push(this.#volume(at, candle));
      last = at;
    }
    this.#newest = last ?? 0;
    const digits = Math.max(0, ...times.slice(-50).map((at) => places(this.#candles.get(at).close)));
    this.#bars.applyOptions({ priceFormat: { type: "price", precision: digits, minMove: 10 ** -digits } });
    this.#bars.setData(bars);
    this.#volumes.setData(volumes);
    if (whole && bars.length > 0) this.#chart.timeScale().setVisibleLogicalRange(this.#window(bars.length));
    this.#showLegend();
  }

  // As many candles as fit with room between them, the newest at the right.
  #window(count) {
    const fitting = Math.max(20, Math.floor(byId("chart").clientWidth / 8));
    return { from: count - fitting, to: count + 3 };
  }

  #showLegend() {
    const at = this.#hovered ?? this.#newest;
    const candle = this.#candles.get(at);
    const legend = byId("legend");
    if (!candle) return setText(legend, this.#hovered ? "no candle at this time" : "\u00a0");
    const change = Number(candle.close) - Number(candle.open);
    const percent = Number(candle.open) ? ((change / Number(candle.open)) * 100).toFixed(2) : null;
    const part = (name, value) => element("span", {}, element("i", { text: name }), ` ${value}`);
    legend.replaceChildren(
      element("span", { text: `${candle.open_time.slice(0, 10)} ${candle.open_time.slice(11, 16)}` }),
      part("O", group(candle.open)),
      part("H", group(candle.high)),
      part("L", group(candle.low)),
      part("C", group(candle.close)),
      part("V", group(candle.volume)),
      element("span", {
        class: ["down", "", "up"][Math.sign(change) + 1],
        text: percent === null ? NONE : `${signed(percent)} %`,
      }),
    );
    if (candle.complete === false && candle.closed === true) {
      legend.append(element("span", { class: "mark", text: "incomplete" }));
    }
    const label = `Candles of ${candle.symbol}, ${this.#interval}; close ${candle.close}`;
    byId("chart").setAttribute("aria-label", label);
  }
}
