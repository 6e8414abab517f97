/** pcg3d (Jarzynski & Olano, JCGT 9(3), 2020), last component, finished: in big integers modulo 2^32. */
export function hash(seed: number, stream: number, index: number): number {
  const word = (value: bigint) => BigInt.asUintN(32, value);
  let [x, y, z] = [seed, stream, index].map((each) => word(BigInt(each) * 1664525n + 1013904223n)) as [
    bigint,
    bigint,
    bigint,
  ];
  const mix = () => {
    x = word(x + y * z);
    y = word(y + z * x);
    z = word(z + x * y);
  };
  mix();
  [x, y, z] = [x ^ (x >> 16n), y ^ (y >> 16n), z ^ (z >> 16n)];
  mix();
  return Number(z ^ (z >> 16n));
}
