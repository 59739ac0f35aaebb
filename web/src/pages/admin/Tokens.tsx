import { useId, useState, type FormEvent } from "react";
import { api } from "../../api/routes.ts";
import type { Role } from "../../api/types.ts";
import { useResource } from "../../api/useResource.ts";
import { Copied } from "../../ui/Copied.tsx";
import { ErrorNote } from "../../ui/notes.tsx";
import { moment } from "../../words/time.ts";
import { useAction } from "../../ui/useAction.ts";
import { RoleSelect } from "./People.tsx";

export function Tokens() {
  const [name, setName] = useState("");
  const [role, setRole] = useState<Role>("viewer");
  const [days, setDays] = useState("90");
  const [token, setToken] = useState<string | null>(null);
  const [sure, setSure] = useState<string | null>(null);
  const tokens = useResource("tokens", (signal) => api.tokens(signal), { every_s: 60 });
  const { busy, error, run } = useAction();
  const [named, roleField, daysField] = [useId(), useId(), useId()];

  const make = (event: FormEvent): void => {
    event.preventDefault();
    void run(async () => {
      setToken((await api.makeToken(name.trim(), role, Number(days))).token);
      setName("");
      tokens.reload();
    });
  };
  const end = (id: string): void =>
    void run(async () => {
      await api.removeToken(id);
      setSure(null);
      tokens.reload();
    });

  return (
    <section className="panel" aria-label="Tokens">
      <h2>Tokens</h2>
      <p className="hint">For the command line and programs. A token is shown once; keep it like a password.</p>
      {tokens.error !== null && <ErrorNote text={tokens.error} retry={tokens.reload} />}
      <ul className="people">
        {tokens.data?.tokens.map((one) => (
          <li key={one.id}>
            <span>
              {one.name}{" "}
              <span className="hint">
                {one.role}, until {moment(one.expires_at)}
              </span>
            </span>
            {sure === one.id ? (
              <button type="button" className="button button-danger" disabled={busy} onClick={() => end(one.id)}>
                Yes, end it
              </button>
            ) : (
              <button type="button" className="button" aria-label={`End ${one.name}`} onClick={() => setSure(one.id)}>
                End
              </button>
            )}
          </li>
        ))}
      </ul>
      <form className="stack" onSubmit={make} autoComplete="off">
        <label htmlFor={named}>What it is for</label>
        <input id={named} required maxLength={64} placeholder="Backup script" value={name} onChange={(event) => setName(event.target.value)} />
        <label htmlFor={roleField}>Role</label>
        <RoleSelect id={roleField} role={role} onRole={setRole} />
        <label htmlFor={daysField}>Days it is good for</label>
        <input id={daysField} type="number" inputMode="numeric" min={1} max={3650} required value={days} onChange={(event) => setDays(event.target.value)} />
        {error !== null && (
          <p className="field-error" role="alert">
            {error}
          </p>
        )}
        <div className="row">
          <button type="submit" className="button button-primary" disabled={busy}>
            Make a token
          </button>
        </div>
      </form>
      {token !== null && (
        <div className="stack token">
          <Copied label="Your token, shown only now" text={token} />
        </div>
      )}
    </section>
  );
}
