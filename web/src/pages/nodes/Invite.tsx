/** Letting one machine in: what it may do, for how long the ticket is good, and the ticket, as text and as a QR code. */
import { useId, useState, type FormEvent } from "react";
import { api } from "../../api/routes.ts";
import type { TicketMade } from "../../api/types.ts";
import { Copied } from "../../ui/Copied.tsx";
import { Dialog } from "../../ui/Dialog.tsx";
import { WarningNote } from "../../ui/notes.tsx";
import { QrCode } from "../../ui/QrCode.tsx";
import { useAction } from "../../ui/useAction.ts";
import { moment } from "../../words/time.ts";

const ROLES: readonly { role: string; does: string }[] = [
  { role: "proxy", does: "opens cameras and devices" },
  { role: "daemon", does: "records and shows them" },
  { role: "storage", does: "keeps copies" },
  { role: "encoder", does: "looks into what is kept" },
];
const LIVES: readonly { s: number; told: string }[] = [
  { s: 600, told: "10 minutes" },
  { s: 3600, told: "1 hour" },
  { s: 86_400, told: "1 day" },
  { s: 604_800, told: "7 days" },
];

export function Invite({ onClose }: { onClose: () => void }) {
  const [made, setMade] = useState<TicketMade | null>(null);
  return (
    <Dialog title={made === null ? "Invite a machine" : "Its ticket"} onClose={onClose}>
      {made === null ? <Ask onMade={setMade} /> : <Made made={made} onClose={onClose} />}
    </Dialog>
  );
}

function Ask({ onMade }: { onMade: (made: TicketMade) => void }) {
  const [roles, setRoles] = useState<ReadonlySet<string>>(new Set(ROLES.map((one) => one.role)));
  const [life_s, setLife] = useState(3600);
  const { busy, error, run } = useAction();
  const field = useId();
  const turn = (role: string, on: boolean): void =>
    setRoles((before) => new Set(ROLES.map((one) => one.role).filter((one) => (one === role ? on : before.has(one)))));
  const make = (event: FormEvent): void => {
    event.preventDefault();
    void run(async () => onMade(await api.invite([...roles], life_s)));
  };
  return (
    <form className="stack" onSubmit={make}>
      <p>A ticket lets one machine into this mesh, once.</p>
      <fieldset className="kinds">
        <legend>What it may do at most</legend>
        {ROLES.map(({ role, does }) => (
          <label key={role} className="kind">
            <input type="checkbox" checked={roles.has(role)} onChange={(event) => turn(role, event.target.checked)} />
            <span>
              {role}
              <span className="hint kind-does">{does}</span>
            </span>
          </label>
        ))}
      </fieldset>
      <label htmlFor={field}>Good for</label>
      <select id={field} value={life_s} onChange={(event) => setLife(Number(event.target.value))}>
        {LIVES.map(({ s, told }) => (
          <option key={s} value={s}>
            {told}
          </option>
        ))}
      </select>
      {error !== null && (
        <p className="field-error" role="alert">
          {error}
        </p>
      )}
      <div className="row">
        <button type="submit" className="button button-primary" disabled={busy || roles.size === 0}>
          {busy ? "Making…" : "Make a ticket"}
        </button>
        {roles.size === 0 && <span className="hint">Choose at least one thing it may do.</span>}
      </div>
    </form>
  );
}

function Made({ made, onClose }: { made: TicketMade; onClose: () => void }) {
  return (
    <div className="stack ticket" data-testid="ticket">
      {made.here_only && (
        <WarningNote>
          This node listens on its own machine alone now, so another machine cannot use this ticket. Stop the node, start
          it again with “thatdam up”, and make another.
        </WarningNote>
      )}
      <p>On the other machine, start ThatDAM with it. Whoever has the ticket can use it, so hand it over with care.</p>
      <div className="ticket-qr">
        <QrCode rows={made.qr} label="The ticket as a QR code" />
      </div>
      <Copied label="The ticket" text={made.ticket} rows={3} />
      <Copied label="The command for the other machine" text={`thatdam up --join ${made.ticket}`} />
      <p className="hint">
        Good once until {moment(made.expires_at)}, for {made.roles.join(", ")}. This node redeems it at{" "}
        <span className="number">{made.addresses.join(", ")}</span>, so keep it running.
      </p>
      <div className="row">
        <button type="button" className="button button-primary" onClick={onClose}>
          Done
        </button>
      </div>
    </div>
  );
}
