/** Times as people read them. */

/** Seconds as a timecode: 1:05, 12:34, 1:02:03. Null is a dash. */
export function timecode(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return "–";
  const whole = Math.max(0, Math.floor(seconds));
  const two = (value: number): string => String(value).padStart(2, "0");
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

/** Seconds as a counter that does not change its width: 00:01:05. */
export function counter(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  return [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60]
    .map((value) => String(value).padStart(2, "0"))
    .join(":");
}

/** Seconds in words for screen readers and prose: "1 min 5 s". */
export function inWords(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return "unknown";
  if (seconds < 10) return `${Math.round(seconds * 10) / 10} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  const hours = Math.floor(whole / 3600);
  if (hours < 48) return `${hours} h ${Math.floor(whole / 60) % 60} min`;
  return `${Math.floor(hours / 24)} days`;
}

/** A moment in this device's time zone; a dash when unknown. */
export function moment(iso: string | null | undefined): string {
  const date = parse(iso);
  return date === null
    ? "–"
    : date.toLocaleString(undefined, { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit" });
}

/** A day in this device's time zone, with the year only when it is another one. */
export function shortMoment(iso: string | null | undefined, now: Date = new Date()): string {
  const date = parse(iso);
  if (date === null) return "–";
  const time = date.toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit" });
  if (date.toDateString() === now.toDateString()) return `Today ${time}`;
  const day = date.toLocaleDateString(undefined, {
    day: "numeric",
    month: "short",
    ...(date.getFullYear() === now.getFullYear() ? {} : { year: "numeric" }),
  });
  return `${day} ${time}`;
}

/** Seconds from `iso` to `now_ms`, never below zero; null when unknown. */
export function since(iso: string | null | undefined, now_ms: number): number | null {
  const date = parse(iso);
  return date === null ? null : Math.max(0, (now_ms - date.getTime()) / 1000);
}

/** The first or last moment of a day given as a date field gives it, as RFC 3339; empty for none. */
export function dayEdge(day: string, edge: "start" | "end"): string {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(day)) return "";
  const date = new Date(`${day}T${edge === "start" ? "00:00:00.000" : "23:59:59.999"}`);
  return Number.isNaN(date.getTime()) ? "" : date.toISOString();
}

function parse(iso: string | null | undefined): Date | null {
  if (!iso) return null;
  const date = new Date(iso);
  return Number.isNaN(date.getTime()) ? null : date;
}
