import { cssColor } from '../shell/dom.js';
import { saveFile } from '../shell/save.js';

/** Room of a line under the picture, in pixels of the canvas. */
const LINE = 34;

/** The picture as it is, with a caption, as a PNG file. */
export async function savePicture(canvas: HTMLCanvasElement, caption: string): Promise<void> {
  const copy = document.createElement('canvas');
  [copy.width, copy.height] = [canvas.width, canvas.height + 2 * LINE];
  const context = copy.getContext('2d');
  if (!context) throw new Error('the browser gives no canvas');
  context.fillStyle = cssColor('--card');
  context.fillRect(0, 0, copy.width, copy.height);
  context.drawImage(canvas, 0, 0);
  context.fillStyle = cssColor('--text');
  context.font = `${LINE / 2}px system-ui, sans-serif`;
  context.textBaseline = 'middle';
  context.fillText(caption, LINE / 2, canvas.height + LINE, copy.width - LINE);
  const blob = await new Promise<Blob | null>((resolve) => copy.toBlob(resolve, 'image/png'));
  if (!blob) throw new Error('the picture is too large');
  saveFile('landscape.png', blob);
}
