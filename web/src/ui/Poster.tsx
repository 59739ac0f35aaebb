/** A still of something, or a quiet sign of what it is where there is none (yet). */
import { useState } from "react";
import { Icon, type IconName } from "./Icon.tsx";

const SIGN: Record<string, IconName> = { take: "camera", video: "library", image: "image", audio: "audio", other: "file" };

export function Poster({ src, kind }: { src: string | null; kind: string }) {
  const [broken, setBroken] = useState<string | null>(null);
  if (src === null || broken === src) {
    return (
      <span className="poster poster-none">
        <Icon name={SIGN[kind] ?? "file"} />
      </span>
    );
  }
  return (
    <img className="poster" src={src} alt="" loading="lazy" decoding="async" onError={() => setBroken(src)} />
  );
}
