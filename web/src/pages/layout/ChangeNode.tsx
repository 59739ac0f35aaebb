/** What is wanted of one node; it goes into the plan, and nothing is done yet. */
import { useId, useState, type FormEvent } from "react";
import type { Seat } from "../../api/types.ts";
import { Dialog } from "../../ui/Dialog.tsx";
import { called, UNITS, weightBytes, weightField, type Act, type Unit, type Wanted } from "./orders.ts";

const ZONE_MAX = 64;
const ACTS: Record<Seat["state"], readonly { act: Act; told: string }[]> = {
  active: [
    { act: "keep", told: "Stores, as now" },
    { act: "drain", told: "Is drained: it holds nothing in the end" },
    { act: "replace", told: "Another node takes its place" },
    { act: "remove", told: "Is taken out for good" },
  ],
  draining: [
    { act: "keep", told: "Is drained, as now" },
    { act: "add", told: "Stores again" },
    { act: "remove", told: "Is taken out for good" },
  ],
  removed: [
    { act: "keep", told: "Is taken out, as now" },
    { act: "add", told: "Stores again" },
  ],
};
const HELP: Record<Act, string> = {
  keep: "",
  add: "Data moves to it. It has to run with the role storage.",
  drain: "Its partitions go to the others. It serves until everything is elsewhere; take it out after that.",
  replace: "The other node gets exactly its partitions, and its weight and zone; nothing else moves. This one is drained.",
  remove: "Only a node that is drained and empty goes without a loss.",
};

interface Props {
  seat: Seat;
  seats: readonly Seat[];
  wanted: Wanted | null;
  /** Null: nothing is wanted of it after all. */
  onWanted: (wanted: Wanted | null) => void;
  onClose: () => void;
}

export function ChangeNode({ seat, seats, wanted, onWanted, onClose }: Props) {
  const others = seats.filter((one) => one.id !== seat.id);
  const shown = weightField(wanted?.weight_bytes ?? seat.weight_bytes);
  const [act, setAct] = useState<Act>(wanted?.act ?? "keep");
  const [by, setBy] = useState(wanted?.by || (others[0]?.id ?? ""));
  const [amount, setAmount] = useState(shown.amount);
  const [unit, setUnit] = useState<Unit>(shown.unit);
  const [zone, setZone] = useState(wanted?.zone ?? seat.zone);
  const [error, setError] = useState<string | null>(null);
  const [actField, byField, weightAt, unitAt, zoneAt, zones, help] = [useId(), useId(), useId(), useId(), useId(), useId(), useId()];
  const name = called(seat);
  const stays = act === "keep" || act === "add";

  const send = (event: FormEvent): void => {
    event.preventDefault();
    const weight = weightBytes(amount, unit);
    if (stays && weight === null) {
      setError("A weight is more than nothing: write for example 2 TB or 500 GB.");
      return;
    }
    const was = weightField(seat.weight_bytes);
    const weighs = stays && (amount !== was.amount || unit !== was.unit) ? weight : null;
    const stands = stays && zone.trim() !== seat.zone ? zone.trim() : null;
    const nothing = act === "keep" && weighs === null && stands === null;
    onWanted(nothing ? null : { act, by: act === "replace" ? by : "", weight_bytes: weighs, zone: stands });
  };
  return (
    <Dialog title={`Change ${name}`} onClose={onClose}>
      <form className="stack" onSubmit={send} noValidate>
        <label htmlFor={actField}>What becomes of it</label>
        <select id={actField} data-first-focus value={act} aria-describedby={help} onChange={(event) => setAct(event.target.value as Act)}>
          {ACTS[seat.state]
            .filter((one) => one.act !== "replace" || others.length > 0)
            .map((one) => (
              <option key={one.act} value={one.act}>
                {one.told}
              </option>
            ))}
        </select>
        <p className="hint" id={help}>
          {HELP[act]}
        </p>
        {act === "replace" && (
          <>
            <label htmlFor={byField}>Who takes its place</label>
            <select id={byField} value={by} onChange={(event) => setBy(event.target.value)}>
              {others.map((one) => (
                <option key={one.id} value={one.id}>
                  {called(one)}
                  {one.state === "active" ? "" : one.state === "draining" ? " (drained)" : " (taken out)"}
                </option>
              ))}
            </select>
          </>
        )}
        {stays && (
          <>
            <label htmlFor={weightAt}>Weight: the room it offers; its share goes by it</label>
            <div className="row weight">
              <input id={weightAt} className="number" inputMode="decimal" value={amount} onChange={(event) => setAmount(event.target.value)} />
              <label className="unseen" htmlFor={unitAt}>
                Unit of the weight
              </label>
              <select id={unitAt} value={unit} onChange={(event) => setUnit(event.target.value as Unit)}>
                {Object.keys(UNITS).map((one) => (
                  <option key={one}>{one}</option>
                ))}
              </select>
            </div>
            <label htmlFor={zoneAt}>Zone: what fails together; copies go to different zones</label>
            <input id={zoneAt} list={zones} value={zone} maxLength={ZONE_MAX} placeholder="none" onChange={(event) => setZone(event.target.value)} />
            <datalist id={zones}>
              {[...new Set(seats.map((one) => one.zone))]
                .filter((one) => one !== "")
                .map((one) => (
                  <option key={one} value={one} />
                ))}
            </datalist>
          </>
        )}
        {error !== null && (
          <p className="field-error" role="alert">
            {error}
          </p>
        )}
        <div className="row row-end">
          <button type="button" className="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" className="button button-primary">
            Put into the plan
          </button>
        </div>
      </form>
    </Dialog>
  );
}
