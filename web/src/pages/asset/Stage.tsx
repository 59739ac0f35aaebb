/**
 * What plays or shows an asset. A take plays as HLS, which grows while it is recorded; where that fails, as one MP4.
 * Positions given and taken are the asset's own seconds, holes included (words/timeline.ts).
 */
import { useEffect, useImperativeHandle, useRef, useState, type Ref } from "react";
import { media } from "../../api/routes.ts";
import type { AssetDetails } from "../../api/types.ts";
import { attachHls } from "../../live/hls.ts";
import { Unplayable } from "../../live/rung.ts";
import { Icon } from "../../ui/Icon.tsx";
import { Empty, ErrorNote } from "../../ui/notes.tsx";
import { codecName } from "../../words/amounts.ts";
import { playAt, takeAt, type Hole } from "../../words/timeline.ts";

export interface StageHandle {
  seek: (to_s: number) => void;
}

interface Props {
  ref: Ref<StageHandle>;
  asset: AssetDetails;
  at_s: number | null;
  onTime: (now_s: number) => void;
  onLength: (length_s: number) => void;
}

export function Stage({ ref, asset, at_s, onTime, onLength }: Props) {
  if (asset.kind === "image") {
    return (
      <div className="stage">
        <img className="stage-image" src={media.file(asset.id)} alt={asset.name} />
      </div>
    );
  }
  if (asset.kind === "other") {
    return (
      <Empty icon="file" title="There is nothing to show of this file">
        <p>It is kept as it is; download it to open it.</p>
      </Empty>
    );
  }
  if (asset.kind === "take" && asset.size_bytes === 0) {
    return asset.state === "recording" ? (
      <Empty icon="camera" title="Nothing has been recorded yet">
        <p>It begins when the camera sends its first picture.</p>
      </Empty>
    ) : (
      <Empty icon="no-picture" title="Nothing was recorded">
        <p>The camera sent no picture while this take ran. It can be moved to the trash.</p>
      </Empty>
    );
  }
  return <Playing ref={ref} asset={asset} at_s={at_s} onTime={onTime} onLength={onLength} />;
}

function Playing({ ref, asset, at_s, onTime, onLength }: Props) {
  const player = useRef<HTMLVideoElement>(null);
  const [way, setWay] = useState<"hls" | "file">(asset.kind === "take" ? "hls" : "file");
  const [wrong, setWrong] = useState<string | null>(null);
  const holes = useRef<readonly Hole[]>([]);
  // A file has its holes in its own times; only HLS plays across them.
  holes.current = way === "hls" ? (asset.gaps ?? []) : [];
  const begin = useRef(at_s);
  const recording = useRef(asset.state === "recording");
  recording.current = asset.state === "recording";

  useImperativeHandle(ref, () => ({
    seek: (to_s: number) => {
      begin.current = to_s;
      const video = player.current;
      if (video && video.readyState > 0) video.currentTime = playAt(to_s, holes.current);
    },
  }));

  useEffect(() => {
    const video = player.current;
    if (video === null || way !== "hls") return;
    let gone = false;
    let attached: { stop: () => void } | null = null;
    const start = begin.current;
    const failed = (): void => {
      if (!gone) setWay("file");
    };
    const startPosition = start !== null ? playAt(start, holes.current) : recording.current ? -1 : 0;
    attachHls(video, media.hls(asset.id), { startPosition, maxBufferLength: 30 }, failed).then(
      (made) => {
        if (gone) made.stop();
        else attached = made;
      },
      (error: unknown) => {
        if (error instanceof Unplayable) failed();
        else setWrong("The player could not be loaded. Load this page again.");
      },
    );
    return () => {
      gone = true;
      attached?.stop();
    };
  }, [asset.id, way]);

  const loaded = (): void => {
    const video = player.current;
    if (video === null) return;
    const start = begin.current;
    if (start !== null && (way === "file" || Math.abs(video.currentTime - playAt(start, holes.current)) > 1)) {
      video.currentTime = playAt(start, holes.current);
    }
    tellLength();
  };
  const tellLength = (): void => {
    const length = player.current?.duration ?? Number.NaN;
    if (Number.isFinite(length)) onLength(takeAt(length, holes.current));
  };
  const failedFile = (): void => {
    if (way !== "file") return;
    const codec = asset.codec ? ` (${codecName(asset.codec)})` : "";
    setWrong(`This browser cannot play it${codec}. Download it and open it in a player such as VLC.`);
  };

  return (
    <div className="stage" data-way={way} data-kind={asset.kind}>
      {asset.kind === "audio" && (
        <div className="stage-audio">
          <Icon name="audio" />
        </div>
      )}
      <video
        ref={player}
        className={asset.kind === "audio" ? "stage-sound" : "stage-video"}
        controls
        playsInline
        preload="metadata"
        aria-label={asset.name}
        poster={asset.kind === "audio" ? undefined : (media.poster(asset.id, asset.poster) ?? undefined)}
        src={way === "file" ? media.file(asset.id) : undefined}
        onLoadedMetadata={loaded}
        onDurationChange={tellLength}
        onTimeUpdate={(event) => onTime(takeAt(event.currentTarget.currentTime, holes.current))}
        onSeeked={(event) => onTime(takeAt(event.currentTarget.currentTime, holes.current))}
        onError={failedFile}
      />
      {wrong !== null && <ErrorNote text={wrong} />}
    </div>
  );
}
