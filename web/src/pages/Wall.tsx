/** Every camera of the mesh at once, live. */
import { useCallback, useState } from "react";
import { api } from "../api/routes.ts";
import type { Camera } from "../api/types.ts";
import { useResource } from "../api/useResource.ts";
import { to } from "../app/router.ts";
import { useSession } from "../app/session.tsx";
import type { LiveView } from "../live/ladder.ts";
import { LivePlayer } from "../live/LivePlayer.tsx";
import { ModeLabel } from "../live/ModeNote.tsx";
import { Icon } from "../ui/Icon.tsx";
import { Empty, ErrorNote, Loading } from "../ui/notes.tsx";
import { PageHead } from "../ui/PageHead.tsx";
import { RecordingChip } from "../ui/RecordingChip.tsx";
import { counted } from "../words/amounts.ts";

export function WallPage() {
  const { can } = useSession();
  const cameras = useResource("cameras", (signal) => api.cameras(signal), {
    topics: ["camera.", "capture.", "node."],
    every_s: 15,
  });
  const list = cameras.data?.cameras ?? null;
  const recording = list?.filter((camera) => camera.recording !== null && camera.state === "online").length ?? 0;

  return (
    <>
      <PageHead
        title="Live"
        {...(list !== null && list.length > 0
          ? { sub: `${counted(list.length, "camera", "cameras")}, ${recording === 0 ? "none" : recording} recording` }
          : {})}
      >
        {can("admin") && (
          <a className="button" href={to.nodes({ add: "camera" })}>
            <Icon name="plus" /> Add camera
          </a>
        )}
      </PageHead>
      {cameras.error !== null && <ErrorNote text={cameras.error} retry={cameras.reload} />}
      {list === null && cameras.error === null && <Loading what="cameras" />}
      {list !== null && list.length === 0 && (
        <Empty icon="camera" title="No cameras yet">
          <p>
            {can("admin")
              ? "Add a camera that is plugged into any node, an RTSP address, or the built-in test picture."
              : "Ask an admin of this mesh to add one."}
          </p>
        </Empty>
      )}
      {list !== null && list.length > 0 && (
        <ul className="wall" data-count={list.length}>
          {list.map((camera) => (
            <li key={camera.id}>
              <Tile camera={camera} />
            </li>
          ))}
        </ul>
      )}
    </>
  );
}

function Tile({ camera }: { camera: Camera }) {
  const [view, setView] = useState<LiveView | null>(null);
  const follow = useCallback((next: LiveView) => setView(next), []);
  return (
    <a className="tile" href={to.camera(camera.id)}>
      <div aria-hidden="true">
        <LivePlayer camera={camera} tile onView={follow} />
      </div>
      <span className="tile-top">
        {camera.recording ? <RecordingChip camera={camera} clock /> : <span />}
        {view && <ModeLabel view={view} />}
      </span>
      <span className="tile-foot">
        <span className="tile-name">{camera.name}</span>
        <span className="tile-node">
          <span className="dot" data-state={camera.state} />
          <span className="unseen">{camera.state} on </span>
          {camera.node_name ?? camera.node.slice(0, 8)}
        </span>
      </span>
    </a>
  );
}
