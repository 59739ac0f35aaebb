/** One camera: its picture, the record button, and what is true of it right now. */
import { useCallback, useState } from "react";
import { api } from "../api/routes.ts";
import type { Camera } from "../api/types.ts";
import { useResource } from "../api/useResource.ts";
import { to } from "../app/router.ts";
import { useSession } from "../app/session.tsx";
import type { LiveView } from "../live/ladder.ts";
import { LivePlayer } from "../live/LivePlayer.tsx";
import { ModeLabel, ModeNote } from "../live/ModeNote.tsx";
import { cameraTrouble } from "../live/trouble.ts";
import { Icon } from "../ui/Icon.tsx";
import { Empty, ErrorNote, Loading } from "../ui/notes.tsx";
import { PageHead } from "../ui/PageHead.tsx";
import { RecordingChip } from "../ui/RecordingChip.tsx";
import { CameraBadges } from "./camera/Badges.tsx";
import { RecordButton } from "./camera/RecordButton.tsx";
import { CameraSettings } from "./camera/Settings.tsx";

export function CameraPage({ id }: { id: string }) {
  const { can } = useSession();
  const camera = useResource(`camera/${id}`, (signal) => api.camera(id, signal), {
    topics: ["camera.", "capture."],
    every_s: 3,
  });
  const [settings, setSettings] = useState(false);
  if (camera.data === null) {
    if (camera.gone) return <NoCamera />;
    return camera.error ? <ErrorNote text={camera.error} retry={camera.reload} /> : <Loading what="the camera" />;
  }
  return (
    <>
      <PageHead
        title={camera.data.name}
        sub={
          <>
            <span className="dot" data-state={camera.data.state} /> {STATE[camera.data.state]}
            {camera.data.node_name && <> on {camera.data.node_name}</>}
          </>
        }
        back={
          <a className="icon-button" href={to.wall()} aria-label="Back to all cameras">
            <Icon name="back" />
          </a>
        }
      >
        {can("admin") && (
          <button type="button" className="icon-button" aria-label="Camera settings" onClick={() => setSettings(true)}>
            <Icon name="gear" />
          </button>
        )}
      </PageHead>
      {camera.error !== null && <ErrorNote text={camera.error} retry={camera.reload} />}
      <View camera={camera.data} reload={camera.reload} />
      {settings && <CameraSettings camera={camera.data} onClose={() => setSettings(false)} onChanged={camera.reload} />}
    </>
  );
}

function NoCamera() {
  return (
    <Empty icon="camera" title="There is no such camera">
      <p>It may have been removed. What it recorded is still in the library.</p>
      <a className="button button-primary" href={to.wall()}>
        Go to the live wall
      </a>
    </Empty>
  );
}

const STATE: Record<Camera["state"], string> = {
  online: "Online",
  connecting: "Connecting",
  stalled: "Stalled",
  offline: "Offline",
  error: "Error",
};

function View({ camera, reload }: { camera: Camera; reload: () => void }) {
  const { can } = useSession();
  const [view, setView] = useState<LiveView>({ state: "connecting", mode: null, skipped: [] });
  const follow = useCallback((next: LiveView) => setView(next), []);
  return (
    <div className="camera">
      <div className="camera-picture">
        <LivePlayer camera={camera} onView={follow}>
          <span className="player-top">
            {camera.recording ? <RecordingChip camera={camera} /> : <span />}
            <ModeLabel view={view} />
          </span>
        </LivePlayer>
        {cameraTrouble(camera) === null && <ModeNote view={view} />}
      </div>
      <div className="camera-side">
        <RecordButton camera={camera} allowed={can("operator")} onChanged={reload} />
        <CameraBadges camera={camera} />
        <a className="button" href={to.library({ camera: camera.id, kind: "take" })}>
          <Icon name="library" /> Takes of this camera
        </a>
      </div>
    </div>
  );
}
