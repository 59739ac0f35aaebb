import type { Camera } from "../api/types.ts";
import { sentence } from "../words/sentence.ts";

/** What is wrong with a camera and what to do, as a sentence; null when it sends pictures. */
export function cameraTrouble(camera: Camera): string | null {
  const said = camera.error ? sentence(camera.error, camera.name) : null;
  switch (camera.state) {
    case "connecting":
      return said ?? "The camera is connecting…";
    case "stalled":
      return said ?? "The camera sends no picture at the moment. Its node keeps trying.";
    case "offline":
      return said ?? "The camera is offline. Check its power and cable; its node tries again by itself.";
    case "error":
      return said ?? "The camera cannot be opened. Check its address, or remove it and add it again.";
    default:
      return null;
  }
}
