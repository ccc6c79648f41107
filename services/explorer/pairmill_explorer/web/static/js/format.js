/** Numbers, times and sizes for people. */

const COUNT = new Intl.NumberFormat("en");
const UNITS = ["B", "kB", "MB", "GB", "TB", "PB"];

/** Returns a 64-bit number of an answer: proto3 JSON writes it as text and leaves a zero out. */
export function int(value) {
  return Number(value ?? 0);
}

/** Returns `12,345`. */
export function count(value) {
  return COUNT.format(int(value));
}

/** Returns `1 sample`, `2 samples`. */
export function counted(value, one, many = `${one}s`) {
  return `${count(value)} ${int(value) === 1 ? one : many}`;
}

/** Returns a score with three decimals; a dash if it is unknown. */
export function score(value) {
  return value === undefined || value === null ? "–" : Number(value).toFixed(3);
}

/** Returns a number as short as it is clear: 0.28, 1.5, 1024. */
export function plain(value) {
  const number = Number(value);
  if (Number.isInteger(number)) return String(number);
  return String(Number(number.toPrecision(Math.abs(number) >= 100 ? 5 : 3)));
}

/** Returns a share as per cent. */
export function percent(part, whole) {
  if (!whole) return "–";
  const share = (100 * part) / whole;
  return `${share >= 10 || share === 0 ? share.toFixed(0) : share.toPrecision(2)} %`;
}

/** Returns a size in decimal units. */
export function bytes(value) {
  let size = int(value);
  let unit = 0;
  while (size >= 1000 && unit < UNITS.length - 1) {
    size /= 1000;
    unit += 1;
  }
  return `${unit === 0 || size >= 100 ? size.toFixed(0) : size.toPrecision(3)} ${UNITS[unit]}`;
}

/** Returns a duration, roughly. */
export function duration(seconds) {
  const whole = Number(seconds ?? 0);
  if (whole < 1) return "under a second";
  if (whole < 90) return `${Math.round(whole)} s`;
  if (whole < 5400) return `${Math.round(whole / 60)} min`;
  return `${(whole / 3600).toFixed(1)} h`;
}

/** Returns `2024-03-01 10:22` in UTC; empty if unset. */
export function moment(timestamp) {
  return timestamp ? `${timestamp.slice(0, 10)} ${timestamp.slice(11, 16)}` : "";
}
