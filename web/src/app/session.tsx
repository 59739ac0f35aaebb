/**
 * Who is at the screen. Shows the sign-in page to nobody known, and its children to somebody.
 *
 * A login link's token is taken out of the address and its history before it is sent, and sent once.
 */
import { createContext, useCallback, useContext, useEffect, useState, type ReactNode } from "react";
import { onSessionLost, Problem, told } from "../api/client.ts";
import { api } from "../api/routes.ts";
import type { Role, Session } from "../api/types.ts";
import { Login } from "../pages/Login.tsx";
import { ErrorNote, Loading } from "../ui/notes.tsx";
import { go, linkToken, to, useHash } from "./router.ts";

type State =
  | { is: "asking" }
  | { is: "unreachable"; why: string }
  | { is: "out"; why: string | null }
  | { is: "in"; session: Session };

interface Known {
  session: Session;
  /** Whether this person's role includes `role`. */
  can: (role: Role) => boolean;
  signOut: () => Promise<void>;
}

const Who = createContext<Known | null>(null);
const RANK: Record<Role, number> = { viewer: 0, operator: 1, admin: 2 };

/** The person at the screen. Only inside SessionGate. */
export function useSession(): Known {
  const known = useContext(Who);
  if (known === null) throw new Error("useSession outside SessionGate");
  return known;
}

export function SessionGate({ children }: { children: ReactNode }) {
  const [state, setState] = useState<State>({ is: "asking" });
  const hash = useHash();

  const ask = useCallback(async () => {
    setState({ is: "asking" });
    try {
      setState({ is: "in", session: await api.session() });
    } catch (error) {
      const unknown = error instanceof Problem && error.status === 401;
      setState(unknown ? { is: "out", why: null } : { is: "unreachable", why: told(error) });
    }
  }, []);

  useEffect(() => {
    onSessionLost(() => setState({ is: "out", why: "Your session has ended. Sign in again to go on." }));
    if (linkToken(window.location.hash) === null) void ask();
  }, [ask]);

  useEffect(() => {
    const token = linkToken(hash);
    if (token === null) return;
    go(to.wall(), true);
    setState({ is: "asking" });
    void api
      .signInByLink(token)
      .then(ask)
      .catch((error: unknown) => setState({ is: "out", why: told(error) }));
  }, [hash, ask]);

  const signOut = useCallback(async () => {
    await api.signOut().catch(() => {});
    setState({ is: "out", why: null });
  }, []);

  if (state.is === "asking") {
    return (
      <main className="alone">
        <Loading what="the viewer" />
      </main>
    );
  }
  if (state.is === "unreachable") {
    return (
      <main className="alone">
        <ErrorNote text={state.why} retry={() => void ask()} />
      </main>
    );
  }
  if (state.is === "out") return <Login why={state.why} onSignedIn={() => void ask()} />;
  const { session } = state;
  const can = (role: Role): boolean => RANK[session.role] >= RANK[role];
  return <Who value={{ session, can, signOut }}>{children}</Who>;
}
