// How numbers and times are shown. Numbers arrive as texts of decimal digits and stay exact.

export const NONE = "–";

const DECIMAL = /^(-?)(\d+)(?:\.(\d+))?$/;

/** With thousands set apart: every digit stays. `null` is a dash. */
export function group(text) {
  const parts = DECIMAL.exec(text ?? "");
  if (!parts) return text ?? NONE;
  const [, minus, whole, fraction] = parts;
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ",");
  const sign = minus ? "−" : "";
  return fraction === undefined ? sign + grouped : `${sign}${grouped}.${fraction}`;
}

/** -1, 0 or 1. */
export function sign(text) {
  if (!text || !/[1-9]/.test(text)) return 0;
  return text.startsWith("-") ? -1 : 1;
}

/** Exactly this many places, half to even, on the digits themselves. */
export function round(text, places) {
  const parts = DECIMAL.exec(text ?? "");
  if (!parts) return text;
  const [, minus, whole, fraction = ""] = parts;
  const kept = fraction.slice(0, places).padEnd(places, "0");
  const rest = fraction.slice(places);
  let digits = BigInt(whole + kept);
  const half = "5".padEnd(rest.length, "0");
  if (rest > half || (rest === half && rest !== "" && digits % 2n === 1n)) digits += 1n;
  const all = digits.toString().padStart(places + 1, "0");
  const cut = all.length - places;
  return minus + all.slice(0, cut) + (places ? `.${all.slice(cut)}` : "");
}

/** With its sign in front, also where it is positive. */
export function signed(text) {
  if (text == null) return NONE;
  return (sign(text) > 0 ? "+" : "") + group(text);
}

/** An arrow for those who do not see the colour. */
export function arrow(direction) {
  if (direction === 0) return "";
  return direction > 0 ? "▲" : "▼";
}

/** Short, for amounts whose digits nobody reads: 1.23M. The exact ones belong in a title. */
export function compact(text) {
  if (text == null) return NONE;
  const value = Number(text);
  if (!Number.isFinite(value)) return text;
  const units = [
    [1e12, "T"],
    [1e9, "B"],
    [1e6, "M"],
    [1e3, "K"],
  ];
  const unit = units.find(([size]) => Math.abs(value) >= size);
  if (!unit) return value >= 100 ? value.toFixed(0) : value.toFixed(2);
  const scaled = value / unit[0];
  return scaled.toFixed(scaled >= 100 ? 0 : scaled >= 10 ? 1 : 2) + unit[1];
}

/** How many digits stand after the point. */
export function places(text) {
  const point = (text ?? "").indexOf(".");
  return point < 0 ? 0 : text.length - point - 1;
}

/** The time of day of an RFC 3339 time, in UTC. */
export function time(text) {
  return /^\d{4}-\d\d-\d\dT/.test(text ?? "") ? text.slice(11, 19) : NONE;
}

/** Day and time of an RFC 3339 time, in UTC. */
export function moment(text) {
  return /^\d{4}-\d\d-\d\dT/.test(text ?? "") ? `${text.slice(0, 10)} ${text.slice(11, 19)}` : NONE;
}

/** A length of time in seconds, as people say it. */
export function span(seconds) {
  if (seconds == null) return NONE;
  const value = Number(seconds);
  if (!Number.isFinite(value)) return NONE;
  if (value < 10) return `${value.toFixed(1)} s`;
  if (value < 60) return `${Math.floor(value)} s`;
  const minutes = Math.floor(value / 60);
  if (minutes < 60) return `${minutes} min ${Math.floor(value % 60)} s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** Milliseconds. */
export function milliseconds(text) {
  if (text == null) return NONE;
  const value = Number(text);
  return value >= 10_000 ? span(value / 1_000) : `${value.toFixed(value < 10 ? 1 : 0)} ms`;
}
