/** A QR code that the node made: dark on white with the margin of four modules that readers need. */

const MARGIN = 4;

export function QrCode({ rows, label }: { rows: readonly string[]; label: string }) {
  const side = rows.length + 2 * MARGIN;
  // One path of horizontal runs: thousands of squares of their own would show seams between them.
  const runs = rows.flatMap((row, y) =>
    [...row.matchAll(/1+/g)].map((run) => `M${run.index + MARGIN} ${y + MARGIN}h${run[0].length}v1h-${run[0].length}z`),
  );
  return (
    <svg className="qr" viewBox={`0 0 ${side} ${side}`} role="img" aria-label={label} shapeRendering="crispEdges">
      <rect width={side} height={side} fill="#fff" />
      <path d={runs.join("")} fill="#000" />
    </svg>
  );
}
