/** A word of prose: letters alone up to a space or a mark. "rtsp://", "list.mp4" and "h264" are none. */
const PROSE = /^\p{Ll}[\p{L}'’-]*(?=[\s,;…]|[.!?](?:\s|$))/u;

/**
 * Text with a capital and a full stop, as it stands alone in the page. A name or an address at its beginning keeps its
 * case: `named` is what is known to be a name.
 */
export function sentence(text: string, named: string = ""): string {
  const trimmed = text.trim();
  if (!trimmed) return trimmed;
  const ended = /[.!?…]$/.test(trimmed) ? trimmed : `${trimmed}.`;
  if (!PROSE.test(ended) || (named !== "" && ended.startsWith(named))) return ended;
  return ended.charAt(0).toUpperCase() + ended.slice(1);
}
