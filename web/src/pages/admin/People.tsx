import { useId, useState, type FormEvent } from "react";
import { api } from "../../api/routes.ts";
import type { Role } from "../../api/types.ts";
import { useResource } from "../../api/useResource.ts";
import { ErrorNote } from "../../ui/notes.tsx";
import { useSay } from "../../ui/toasts.tsx";
import { useAction } from "../../ui/useAction.ts";

export const ROLES: readonly { role: Role; may: string }[] = [
  { role: "viewer", may: "watches and searches" },
  { role: "operator", may: "also records, uploads and edits" },
  { role: "admin", may: "also adds cameras and people" },
];

export function RoleSelect({ id, role, onRole }: { id: string; role: Role; onRole: (role: Role) => void }) {
  return (
    <select id={id} value={role} onChange={(event) => onRole(event.target.value as Role)}>
      {ROLES.map((one) => (
        <option key={one.role} value={one.role}>
          {one.role}: {one.may}
        </option>
      ))}
    </select>
  );
}

export function People({ me }: { me: string }) {
  const users = useResource("users", (signal) => api.users(signal), { every_s: 60 });
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const [role, setRole] = useState<Role>("viewer");
  const [sure, setSure] = useState<string | null>(null);
  const { busy, error, run } = useAction();
  const say = useSay();
  const [named, secret, roleField] = [useId(), useId(), useId()];

  const add = (event: FormEvent): void => {
    event.preventDefault();
    void run(async () => {
      await api.addUser(name.trim(), password, role);
      say(`${name.trim()} can sign in on every node now.`);
      setName("");
      setPassword("");
      users.reload();
    });
  };
  const remove = (who: string): void =>
    void run(async () => {
      await api.removeUser(who);
      setSure(null);
      say(`${who} was removed and is signed out everywhere.`);
      users.reload();
    });

  return (
    <section className="panel" aria-label="People">
      <h2>People</h2>
      {users.error !== null && <ErrorNote text={users.error} retry={users.reload} />}
      <ul className="people">
        {users.data?.users.map((user) => (
          <li key={user.name}>
            <span>
              {user.name} <span className="hint">{user.role}</span>
            </span>
            {user.name !== me &&
              (sure === user.name ? (
                <button type="button" className="button button-danger" disabled={busy} onClick={() => remove(user.name)}>
                  Yes, remove
                </button>
              ) : (
                <button type="button" className="button" aria-label={`Remove ${user.name}`} onClick={() => setSure(user.name)}>
                  Remove
                </button>
              ))}
          </li>
        ))}
      </ul>
      <form className="stack" onSubmit={add} autoComplete="off">
        <h3>Add a person</h3>
        <label htmlFor={named}>Name</label>
        <input id={named} required maxLength={64} autoCapitalize="none" spellCheck={false} autoComplete="off" value={name} onChange={(event) => setName(event.target.value)} />
        <label htmlFor={secret}>Password</label>
        <input id={secret} type="password" required minLength={10} maxLength={256} autoComplete="new-password" value={password} onChange={(event) => setPassword(event.target.value)} />
        <p className="hint">At least ten characters.</p>
        <label htmlFor={roleField}>Role</label>
        <RoleSelect id={roleField} role={role} onRole={setRole} />
        {error !== null && (
          <p className="field-error" role="alert">
            {error}
          </p>
        )}
        <div className="row">
          <button type="submit" className="button button-primary" disabled={busy}>
            Add
          </button>
        </div>
      </form>
    </section>
  );
}
