const units = ['B', 'KiB', 'MiB', 'GiB'];

/** Of a power of two: `64 KiB`. */
export function inBytes(size: number): string {
  const power = Math.floor(Math.log2(size) / 10);
  return `${size / 1024 ** power} ${units[power]}`;
}
