/** Ending a node for ever: what that does, and why it is done. */
import { useId, useState } from "react";
import { api } from "../../api/routes.ts";
import type { Node } from "../../api/types.ts";
import { Confirm } from "../../ui/Confirm.tsx";
import { useSay } from "../../ui/toasts.tsx";

const REASON_MAX = 200;

interface Props {
  node: Node;
  /** Whether it holds what lets others in: then the mesh gets a new authority. */
  admits: boolean;
  onClose: () => void;
  onDone: () => void;
}

export function Revoke({ node, admits, onClose, onDone }: Props) {
  const [reason, setReason] = useState("");
  const say = useSay();
  const field = useId();
  const act = async (): Promise<void> => {
    const done = await api.revoke(node.id, reason.trim());
    say(
      done.authority_renewed
        ? `${node.name} is revoked. The mesh has a new authority: an old secret admits nobody any more.`
        : `${node.name} is revoked.`,
    );
    onDone();
    onClose();
  };
  return (
    <Confirm title={`Revoke ${node.name}?`} act="Revoke for ever" acting="Revoking…" onAct={act} onClose={onClose}>
      <ul className="plain">
        <li>Its links are cut on every node, and nothing that it says or signed is taken any more.</li>
        <li>It never comes back by this key: to use the machine again, wipe its data folder and invite it.</li>
        <li>Its cameras are seen no more. What it kept is copied again from other nodes; what only it kept is lost.</li>
        {admits && (
          <li>
            It can let machines in, so the mesh gets a new authority: a secret that it was started with admits nobody any
            more. Leave THATDAM_SECRET out from then on, and invite machines.
          </li>
        )}
      </ul>
      <label htmlFor={field}>Why (everybody can read it)</label>
      <input
        id={field}
        value={reason}
        maxLength={REASON_MAX}
        placeholder="Stolen, broken, sold…"
        onChange={(event) => setReason(event.target.value)}
      />
    </Confirm>
  );
}
