/** What a plan does to every node: two bars each, what it holds now and what it will, with what goes and what comes. */
import type { Plan, PlanChange } from "../../api/types.ts";
import { bytes, counted } from "../../words/amounts.ts";
import { called } from "./orders.ts";

const STATE: Record<PlanChange["state"], string> = { active: "stores", draining: "is drained", removed: "is taken out" };

export function PlanPicture({ plan }: { plan: Plan }) {
  const shown = plan.nodes
    .filter((one) => one.state !== "removed" || one.partitions_before > 0)
    .sort((one, other) => called(one).localeCompare(called(other)));
  const most = Math.max(1, ...shown.flatMap((one) => [one.partitions_before, one.partitions_after]));
  return (
    <figure className="plan-picture">
      <figcaption className="plan-key">
        <span data-part="stays">stays</span>
        <span data-part="goes">goes</span>
        <span data-part="comes">comes</span>
      </figcaption>
      <ul>
        {shown.map((one) => (
          <NodeBars key={one.id} change={one} most={most} />
        ))}
      </ul>
    </figure>
  );
}

function NodeBars({ change, most }: { change: PlanChange; most: number }) {
  const comes = change.partitions_coming;
  const stays = change.partitions_after - comes;
  const goes = change.partitions_before - stays;
  const still = comes === 0 && goes === 0;
  return (
    <li data-node={change.id} data-still={still}>
      <h3>
        {called(change)} <span className="hint">{STATE[change.state]}{change.zone && ` · ${change.zone}`}</span>
      </h3>
      <Bar name="Now" most={most} parts={[["stays", stays], ["goes", goes]]} count={change.partitions_before} size={change.bytes_before} />
      <Bar name="Then" most={most} parts={[["stays", stays], ["comes", comes]]} count={change.partitions_after} size={change.bytes_after} />
      <p className="hint">{still ? "Nothing moves." : movesWords(change, goes)}</p>
    </li>
  );
}

function movesWords(change: PlanChange, goes: number): string {
  const comes = change.partitions_coming;
  const going_bytes = change.bytes_before + change.bytes_coming - change.bytes_after;
  const parts: string[] = [];
  if (comes > 0) parts.push(`${counted(comes, "partition comes", "partitions come")} (${bytes(change.bytes_coming)})`);
  if (goes > 0) parts.push(`${counted(goes, "partition goes", "partitions go")} (${bytes(Math.max(0, going_bytes))})`);
  return `${parts.join(", ")}.`;
}

interface BarProps {
  name: string;
  most: number;
  parts: readonly (readonly [string, number])[];
  count: number;
  size: number;
}

function Bar({ name, most, parts, count, size }: BarProps) {
  return (
    <div className="plan-bar">
      <span className="hint">{name}</span>
      <span className="plan-track" aria-hidden="true">
        {parts.map(([part, amount]) => amount > 0 && <span key={part} data-part={part} style={{ width: `${(amount / most) * 100}%` }} />)}
      </span>
      <span className="number">
        {counted(count, "partition", "partitions")}, {bytes(size)}
      </span>
    </div>
  );
}
