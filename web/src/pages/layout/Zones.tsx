/** Every node by its zone: its share of what is kept, the room it offers and how much of that is used. */
import type { Layout, Seat } from "../../api/types.ts";
import { bytes, counted } from "../../words/amounts.ts";
import { called, zonesOf, type Staged } from "./orders.ts";

const STATE: Record<Seat["state"], string> = { active: "Stores", draining: "Being drained", removed: "Taken out" };

interface Props {
  layout: Layout;
  staged: Staged;
  /** Absent for who may change nothing. */
  onChange?: (id: string) => void;
}

export function Zones({ layout, staged, onChange }: Props) {
  const all = layout.nodes.reduce((sum, one) => sum + one.partitions, 0);
  const out = layout.nodes.filter((one) => one.state === "removed");
  return (
    <>
      {zonesOf(layout.nodes).map(({ name, seats }) => (
        <section key={name} className="panel zone" data-zone={name} aria-label={name ? `Zone ${name}` : "No zone"}>
          <header>
            <h2>{name ? `Zone ${name}` : "No zone"}</h2>
            <p className="hint">
              {name === "" && "Each counts as a zone of its own. "}
              <ZoneTotals seats={seats} all={all} />
            </p>
          </header>
          <ul className="seats">
            {seats.map((seat) => (
              <SeatRow key={seat.id} seat={seat} all={all} staged={staged.has(seat.id)} {...(onChange ? { onChange } : {})} />
            ))}
          </ul>
        </section>
      ))}
      {out.length > 0 && (
        <details className="panel taken-out">
          <summary>Taken out: {out.length}</summary>
          <ul className="seats">
            {out.map((seat) => (
              <SeatRow key={seat.id} seat={seat} all={all} staged={staged.has(seat.id)} {...(onChange ? { onChange } : {})} />
            ))}
          </ul>
        </details>
      )}
    </>
  );
}

function percent(part: number, whole: number): string {
  return whole > 0 ? `${Math.round((part / whole) * 1000) / 10} %` : "0 %";
}

function ZoneTotals({ seats, all }: { seats: readonly Seat[]; all: number }) {
  const sum = (of: (seat: Seat) => number): number => seats.reduce((total, one) => total + of(one), 0);
  return (
    <>
      {counted(seats.length, "node", "nodes")} with {bytes(sum((one) => one.weight_bytes))},{" "}
      {percent(sum((one) => one.partitions), all)} of all copies, {bytes(sum((one) => one.bytes ?? 0))} used
    </>
  );
}

function SeatRow({ seat, all, staged, onChange }: { seat: Seat; all: number; staged: boolean; onChange?: (id: string) => void }) {
  const name = called(seat);
  return (
    <li className="seat" data-node={seat.id} data-state={seat.state}>
      <header>
        <h3>
          <span className="dot" data-state={seat.present ? "alive" : "suspect"} /> {name}
        </h3>
        <span className="hint">
          {STATE[seat.state]}
          {seat.read_only && <span className="warn"> · read-only: others stand in for it</span>}
          {!seat.present && <span className="warn"> · not answering</span>}
          {staged && " · in the plan"}
        </span>
        {onChange && (
          <button type="button" className="button" aria-label={`Change ${name}`} onClick={() => onChange(seat.id)}>
            Change…
          </button>
        )}
      </header>
      {seat.state !== "removed" && (
        <div className="seat-bars">
          <span>Share</span>
          <meter min={0} max={Math.max(1, all)} value={seat.partitions} aria-label={`Share of ${name}`} />
          <span className="number">
            {percent(seat.partitions, all)} · {counted(seat.partitions, "partition", "partitions")}
          </span>
          <span>Used</span>
          <meter min={0} max={Math.max(1, seat.weight_bytes)} high={seat.weight_bytes * 0.85} value={seat.bytes ?? 0} aria-label={`Room used on ${name}`} />
          <span className="number">
            {bytes(seat.bytes)} of {bytes(seat.weight_bytes)}
          </span>
        </div>
      )}
    </li>
  );
}
