/** Who is signed in; for admins also the mesh's people and the tokens of programs. */
import { useSession } from "../app/session.tsx";
import { PageHead } from "../ui/PageHead.tsx";
import { moment } from "../words/time.ts";
import { People } from "./admin/People.tsx";
import { Tokens } from "./admin/Tokens.tsx";

export function AdminPage() {
  const { session, can, signOut } = useSession();
  return (
    <>
      <PageHead title={can("admin") ? "Admin" : "Account"} />
      <div className="admin">
        <section className="panel" aria-label="You">
          <h2>You</h2>
          <dl className="facts">
            <div>
              <dt>Name</dt>
              <dd>{session.user}</dd>
            </div>
            <div>
              <dt>Role</dt>
              <dd>{session.role}</dd>
            </div>
            <div>
              <dt>Signed in until</dt>
              <dd>{moment(session.expires_at)}</dd>
            </div>
            <div>
              <dt>Mesh</dt>
              <dd className="number cut" title={session.mesh}>
                {session.mesh ?? "–"}
              </dd>
            </div>
          </dl>
          <button type="button" className="button" onClick={() => void signOut()}>
            Sign out
          </button>
          <a className="button button-quiet" href="/third-party.txt">
            Licences of what this viewer carries
          </a>
        </section>
        {can("admin") && <People me={session.user} />}
        {can("admin") && <Tokens />}
      </div>
    </>
  );
}
