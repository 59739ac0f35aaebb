/** Deleting for good: one asset, or all that is in the trash. */
import { useState } from "react";
import { Problem } from "../../api/client.ts";
import { api } from "../../api/routes.ts";
import type { NotDeleted } from "../../api/types.ts";
import { Confirm } from "../../ui/Confirm.tsx";
import { useSay } from "../../ui/toasts.tsx";
import { counted } from "../../words/amounts.ts";
import { sentence } from "../../words/sentence.ts";

const SAID_MAX = 3;

export function DeleteForGood({ id, name, onClose, onGone }: { id: string; name: string; onClose: () => void; onGone: () => void }) {
  const say = useSay();
  const act = async (): Promise<void> => {
    try {
      await api.deleteForGood(id);
    } catch (error) {
      // Somebody else, or its time in the trash, was faster: it is gone, as it should be.
      if (!(error instanceof Problem && error.status === 404)) throw error;
    }
    say(`“${name}” was deleted for good.`);
    onGone();
  };
  return (
    <Confirm title="Delete for good?" act="Delete for good" acting="Deleting…" onAct={act} onClose={onClose}>
      <p>
        “{name}” goes from every node, with its scenes and tags. Nothing brings it back. The disks have its room once every
        node knows that nobody needs it.
      </p>
    </Confirm>
  );
}

export function EmptyTrash({ total, onClose, onDone }: { total: number; onClose: () => void; onDone: () => void }) {
  const say = useSay();
  const [gone, setGone] = useState(0);
  const act = async (): Promise<void> => {
    let deleted = 0;
    let unseen = 0;
    const kept: NotDeleted[] = [];
    try {
      for (let page: string | null = ""; page !== null; ) {
        const answer = await api.emptyTrash(page);
        deleted += answer.deleted;
        kept.push(...answer.kept);
        unseen = answer.partitions_total - answer.partitions_ok;
        page = answer.next;
        setGone(deleted);
      }
    } finally {
      onDone();
    }
    if (kept.length > 0) {
      const told = kept.slice(0, SAID_MAX).map((one) => `“${one.name}”: ${sentence(one.why)}`);
      throw new Error(`${counted(deleted, "thing was", "things were")} deleted, ${kept.length} could not be. ${told.join(" ")}`);
    }
    say(
      unseen > 0
        ? `${counted(deleted, "thing was", "things were")} deleted for good. Nodes that do not answer may keep more in the trash.`
        : `The trash is empty: ${counted(deleted, "thing was", "things were")} deleted for good.`,
    );
    onClose();
  };
  return (
    <Confirm
      title="Empty the trash?"
      act={`Delete ${counted(total, "thing", "things")} for good`}
      acting={`Deleted ${gone.toLocaleString()} of ${total.toLocaleString()}…`}
      onAct={act}
      onClose={onClose}
    >
      <p>
        {counted(total, "thing goes", "things go")} from every node of the mesh. Nothing brings{" "}
        {total === 1 ? "it" : "them"} back. What is thrown away from now on stays in the trash.
      </p>
    </Confirm>
  );
}
