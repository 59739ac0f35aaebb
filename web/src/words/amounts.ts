/** Amounts as people read them. What is not known is a dash, never a guess. */

export const DASH = "–";

type Maybe = number | null | undefined;

function known(value: Maybe): value is number {
  return value !== null && value !== undefined && Number.isFinite(value);
}

/** Bytes in decimal units: "4.2 GB". */
export function bytes(value: Maybe): string {
  if (!known(value)) return DASH;
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  let amount = value;
  let unit = 0;
  while (amount >= 999.5 && unit < units.length - 1) {
    amount /= 1000;
    unit += 1;
  }
  return `${unit === 0 || amount >= 99.5 ? Math.round(amount) : amount.toFixed(1)} ${units[unit]}`;
}

/** Bits a second: "4.2 Mbit/s". */
export function bitRate(value: Maybe): string {
  if (!known(value)) return DASH;
  return value >= 1e6 ? `${(value / 1e6).toFixed(1)} Mbit/s` : `${Math.round(value / 1e3)} kbit/s`;
}

/** A picture's size: "1920×1080". */
export function pictureSize(width: Maybe, height: Maybe): string {
  return known(width) && known(height) && width > 0 && height > 0 ? `${width}×${height}` : DASH;
}

/** Frames a second: "25 fps", "29.97 fps". */
export function frameRate(value: Maybe): string {
  return known(value) && value > 0 ? `${Math.round(value * 100) / 100} fps` : DASH;
}

/** A number as it is, or a dash. */
export function plain(value: Maybe, unit = ""): string {
  if (!known(value)) return DASH;
  const rounded = Math.abs(value) >= 100 ? Math.round(value) : Math.round(value * 10) / 10;
  return unit ? `${rounded.toLocaleString()} ${unit}` : rounded.toLocaleString();
}

/** "2 of 3", or a dash when either is unknown. */
export function nOfM(count: Maybe, wanted: Maybe): string {
  if (!known(count)) return DASH;
  return known(wanted) ? `${count} of ${wanted}` : String(count);
}

/** "1 file", "2 files". */
export function counted(count: number, one: string, many: string): string {
  return `${count.toLocaleString()} ${count === 1 ? one : many}`;
}

/** A codec's name as on a camera: "H.264". */
export function codecName(codec: string | null | undefined): string {
  if (!codec) return DASH;
  const name = codec.toLowerCase();
  if (/^(h264|avc)/.test(name)) return "H.264";
  if (/^(h265|hevc|hvc1|hev1)/.test(name)) return "H.265";
  if (/^av0?1/.test(name)) return "AV1";
  if (/^mjpe?g/.test(name)) return "MJPEG";
  return codec.toUpperCase();
}
