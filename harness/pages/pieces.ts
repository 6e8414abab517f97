/** Bytes on their way from a page to Node: a call carries text. No Node here. */

/** Bytes of a file that go to Node in one call: no text may be as long as a large file in base64. */
export const PIECE = 3 * 2 ** 22;

export function base64Of(bytes: Uint8Array): Promise<string> {
  const reader = new FileReader();
  const read = new Promise<string>((resolve, reject) => {
    reader.onload = () => resolve((reader.result as string).replace(/^.*?,/, '')); // 'data:…;base64,…'
    reader.onerror = () => reject(reader.error);
  });
  reader.readAsDataURL(new Blob([bytes as Uint8Array<ArrayBuffer>]));
  return read;
}
