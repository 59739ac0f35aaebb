/** Sending a file: the raw body, with progress, which fetch cannot tell. */
import { Problem, problemFrom } from "./client.ts";
import { media } from "./routes.ts";
import type { Asset } from "./types.ts";

/** A name for one upload, so that sending it again is never a second asset. */
export function uploadKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Send a file under its key; `progress` gets 0 to 1. Throws Problem, or AbortError when `signal` ends it. */
export function upload(file: File, key: string, progress: (share: number) => void, signal: AbortSignal): Promise<Asset> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("PUT", media.upload(file.name));
    request.setRequestHeader("Accept", "application/json");
    request.setRequestHeader("Idempotency-Key", key);
    request.upload.onprogress = (event) => {
      if (event.lengthComputable && event.total > 0) progress(event.loaded / event.total);
    };
    request.onload = () => {
      if (request.status < 200 || request.status >= 300) {
        reject(problemFrom(request.status, request.responseText));
        return;
      }
      try {
        resolve(JSON.parse(request.responseText) as Asset);
      } catch {
        reject(new Problem(request.status, "The node's answer could not be read; look in the library for the file."));
      }
    };
    request.onerror = () =>
      reject(new Problem(0, "The connection to the node broke; the file was not kept. Send it again."));
    request.onabort = () => reject(new DOMException("Cancelled.", "AbortError"));
    signal.addEventListener("abort", () => request.abort(), { once: true });
    if (signal.aborted) {
      reject(new DOMException("Cancelled.", "AbortError"));
      return;
    }
    request.send(file);
  });
}
