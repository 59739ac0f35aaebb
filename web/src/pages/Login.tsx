import { useId, useState, type FormEvent } from "react";
import { told } from "../api/client.ts";
import { api } from "../api/routes.ts";
import { useAction } from "../ui/useAction.ts";

export function Login({ why, onSignedIn }: { why: string | null; onSignedIn: () => void }) {
  const [user, setUser] = useState("");
  const [password, setPassword] = useState("");
  const { busy, error, run } = useAction();
  const [named, secret] = [useId(), useId()];
  const wrong = error ?? why;

  const submit = (event: FormEvent): void => {
    event.preventDefault();
    void run(async () => {
      await api.signIn(user.trim(), password).catch((failure: unknown) => {
        setPassword("");
        throw new Error(told(failure));
      });
      onSignedIn();
    });
  };

  return (
    <main className="login">
      <form className="login-card" onSubmit={submit} aria-busy={busy}>
        <p className="brand brand-large">
          <span className="brand-dot" aria-hidden="true" />
          ThatDAM
        </p>
        <h1>Sign in to this node</h1>
        {wrong !== null && (
          <p className="field-error" role="alert">
            {wrong}
          </p>
        )}
        <label htmlFor={named}>Name</label>
        <input
          id={named}
          autoComplete="username"
          autoCapitalize="none"
          spellCheck={false}
          required
          autoFocus
          value={user}
          onChange={(event) => setUser(event.target.value)}
        />
        <label htmlFor={secret}>Password</label>
        <input
          id={secret}
          type="password"
          autoComplete="current-password"
          required
          value={password}
          onChange={(event) => setPassword(event.target.value)}
        />
        <button type="submit" className="button button-primary" disabled={busy}>
          {busy ? "Signing in…" : "Sign in"}
        </button>
        <p className="hint">
          First time here? Open the login link that the node prints when it starts. Any node of the mesh knows the same
          people.
        </p>
      </form>
    </main>
  );
}
