"""Media that tests make for themselves."""

from fractions import Fraction

import av
import numpy as np


def movie(path, seconds=2.0, size=(160, 120), rate=25, codec="libx264", tone=False, options=None, tags=None):
    """Write a clip in which a bright bar wanders over a pattern; with a tone when asked."""
    width, height = size
    with av.open(str(path), "w", options=options or {}) as out:
        out.metadata.update(tags or {})
        video = out.add_stream(codec, rate=rate)
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        sound = out.add_stream("aac", rate=48000) if tone else None
        for number in range(round(seconds * rate)):
            picture = np.indices((height, width)).sum(axis=0).astype(np.uint8)[:, :, None].repeat(3, axis=2)
            picture[:, number * 3 % width :][:, :12] = 255
            frame = av.VideoFrame.from_ndarray(picture, "rgb24")
            frame.pts, frame.time_base = number, Fraction(1, rate)
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
        if sound is not None:
            wave = (np.sin(np.arange(int(48000 * seconds)) / 20) * 8000).astype(np.int16)[None, :]
            frame = av.AudioFrame.from_ndarray(wave, "s16", "mono")
            frame.rate, frame.pts = 48000, 0
            out.mux(sound.encode(frame))
            out.mux(sound.encode(None))
    return path


def picture(path, size=(64, 48), codec="png", exif=b""):
    """Write a picture; a JPEG may carry an Exif block."""
    width, height = size
    pixels = np.indices((height, width)).sum(axis=0).astype(np.uint8)[:, :, None].repeat(3, axis=2)
    encoder = av.CodecContext.create(codec, "w")
    encoder.width, encoder.height, encoder.time_base = width, height, Fraction(1, 25)
    encoder.pix_fmt = "yuvj420p" if codec == "mjpeg" else "rgb24"
    frame = av.VideoFrame.from_ndarray(pixels, "rgb24").reformat(format=encoder.pix_fmt)
    frame.pts = 0
    data = b"".join(bytes(packet) for packet in (*encoder.encode(frame), *encoder.encode(None)))
    if exif:
        data = data[:2] + b"\xff\xe1" + (8 + len(exif)).to_bytes(2, "big") + b"Exif\0\0" + exif + data[2:]
    path.write_bytes(data)
    return path


def speech(path, seconds=1.5):
    """Write a sound file."""
    with av.open(str(path), "w") as out:
        sound = out.add_stream("pcm_s16le", rate=16000, layout="mono")
        wave = (np.sin(np.arange(int(16000 * seconds)) / 9) * 9000).astype(np.int16)[None, :]
        frame = av.AudioFrame.from_ndarray(wave, "s16", "mono")
        frame.rate = 16000
        out.mux(sound.encode(frame))
        out.mux(sound.encode(None))
    return path


def jpeg_size(data):
    """Give (width, height) of a JPEG, decoded."""
    decoder = av.CodecContext.create("mjpeg", "r")
    frames = [*decoder.decode(av.Packet(data)), *decoder.decode(None)]
    return frames[0].width, frames[0].height
