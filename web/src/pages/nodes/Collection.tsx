/** What is kept and nobody needs any more: how much the disks get back, and who has to be heard first. */
import type { Nodes } from "../../api/types.ts";
import { WarningNote } from "../../ui/notes.tsx";
import { bytes, counted } from "../../words/amounts.ts";

export function Collection({ mesh }: { mesh: Nodes }) {
  const { reclaimable_bytes, reclaimable_chunks, reclaimed_bytes, held_up_by } = mesh.collection;
  const names = held_up_by.map((one) => one.name || one.id.slice(0, 8));
  return (
    <section aria-label="Data that is not needed any more">
      <dl className="badges badges-row badges-few" data-testid="collection">
        <div>
          <dt>Can be freed</dt>
          <dd className="number">
            {bytes(reclaimable_bytes)}
            {reclaimable_chunks > 0 && <span className="hint"> in {counted(reclaimable_chunks, "chunk", "chunks")}</span>}
          </dd>
        </div>
        <div>
          <dt>Freed so far</dt>
          <dd className="number">{bytes(reclaimed_bytes)}</dd>
        </div>
        <div data-warn={names.length > 0}>
          <dt>Freeing waits for</dt>
          <dd>{names.length > 0 ? names.join(", ") : "no node"}</dd>
        </div>
      </dl>
      {names.length > 0 && (
        <WarningNote>
          {names.join(" and ")} may know of a need and {names.length === 1 ? "has" : "have"} not been heard since, so the
          disks give nothing back. Start {names.length === 1 ? "it" : "them"} again, or revoke what is gone for good.
        </WarningNote>
      )}
    </section>
  );
}
