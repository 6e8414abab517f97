/**
 * SVG to PNG by resvg, compiled to WebAssembly. It and the font come to 4.6 MB in base64, inside the bundle so that the
 * command runs from dist/ alone: import this file only where a picture is drawn.
 */
import { initWasm, Resvg } from '@resvg/resvg-wasm';
import wasm from '@resvg/resvg-wasm/index_bg.wasm?url&inline';
import font from 'dejavu-fonts-ttf/ttf/DejaVuSans.ttf?url&inline';

/** Pixels of the picture for one of the SVG: sharp on dense screens, and where a document scales it. */
export const SCALE = 2;

let ready: Promise<Uint8Array> | undefined;

/** @returns the bytes of a PNG file, SCALE times as large as the SVG. */
export async function svgPng(svg: string): Promise<Uint8Array> {
  ready ??= start();
  const bytes = await ready;
  const resvg = new Resvg(svg, {
    fitTo: { mode: 'zoom', value: SCALE },
    font: {
      loadSystemFonts: false,
      fontBuffers: [bytes],
      defaultFontFamily: 'DejaVu Sans',
      sansSerifFamily: 'DejaVu Sans',
    },
  });
  try {
    const image = resvg.render();
    try {
      return image.asPng();
    } finally {
      image.free();
    }
  } finally {
    resvg.free();
  }
}

async function start(): Promise<Uint8Array> {
  await initWasm(decode(wasm));
  return decode(font);
}

/** The bytes of a data: address. */
const decode = (address: string): Uint8Array<ArrayBuffer> =>
  new Uint8Array(Buffer.from(address.slice(address.indexOf(',') + 1), 'base64'));
