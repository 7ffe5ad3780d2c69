// Numbers, times and ids as people read them.

const WHOLE = new Intl.NumberFormat("en");
const pad = (number, width = 2) => String(number).padStart(width, "0");
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

export const now = () => Date.now() / 1000;

export function count(number) {
  return WHOLE.format(number);
}

/** "1 input", "2 inputs". */
export function plural(number, noun) {
  return `${count(number)} ${noun}${number === 1 ? "" : "s"}`;
}

export function rate(perSecond) {
  if (perSecond >= 100) return count(Math.round(perSecond));
  return perSecond >= 10 ? perSecond.toFixed(0) : perSecond.toFixed(1);
}

/** A length of time. */
export function seconds(value) {
  if (value === null || value === undefined) return "–";
  if (value < 0) return `−${seconds(-value)}`;
  if (value < 0.00005) return "0 ms";
  if (value < 0.0095) return `${(value * 1000).toFixed(1)} ms`;
  if (value < 0.9995) return `${Math.round(value * 1000)} ms`;
  if (value < 9.995) return `${value.toFixed(2)} s`;
  if (value < 59.95) return `${value.toFixed(1)} s`;
  const whole = Math.round(value);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${pad(whole % 60)} s`;
  return `${Math.floor(whole / 3600)} h ${pad(Math.floor((whole % 3600) / 60))} min`;
}

/** A length of time where there is little room. */
export function shortSeconds(value) {
  return value < 60 ? seconds(value) : value < 7200 ? `${rate(value / 60)} min` : `${rate(value / 3600)} h`;
}

/** A time of day, with milliseconds where lines are close to each other. */
export function clock(at, withMilliseconds = false) {
  const date = new Date(at * 1000);
  const text = `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`;
  return withMilliseconds ? `${text}.${pad(date.getMilliseconds(), 3)}` : text;
}

/** A moment: the time alone if it is today's. */
export function moment(at) {
  if (!at) return "–";
  const date = new Date(at * 1000);
  const isToday = date.toDateString() === new Date().toDateString();
  return isToday ? clock(at) : `${date.getDate()} ${MONTHS[date.getMonth()]} ${clock(at)}`;
}

/** With everything, for tooltips. */
export function fullMoment(at) {
  return at ? new Date(at * 1000).toLocaleString() : "";
}

/** The end of an id tells it from its neighbours; the rest is the same for all of a server. */
export function shortId(id) {
  const [prefix, body, ...index] = id.split("-");
  const short = body.length > 8 ? `…${body.slice(-6)}` : body;
  return [`${prefix}-${short}`, ...index].join("-");
}

export const OUTCOMES = {
  success: "succeeded",
  failure: "failed",
  timed_out: "timed out",
  cancelled: "cancelled",
  lost: "lost",
  refused: "refused",
};

/** The state of an input, in words. */
export function stateText(state) {
  return OUTCOMES[state] ?? state;
}
