/** POSIX.1 pax Interchange Format, "ustar Interchange Format"; bytes. */
const tarBlock = 512;
/** What a header has room for: characters of a path, and a size in eleven octal digits. */
const maxPath = 100;
const maxSize = 0o77777777777;

/** Two blocks of nothing. */
export const tarEnd = Buffer.alloc(2 * tarBlock);

/** What stands before a file, its longer path or greater size in a pax record; always the same for the same file. */
export function tarHeader(path: string, size: number): Buffer {
  const records = [
    ...(path.length > maxPath ? [paxRecord('path', path)] : []),
    ...(size > maxSize ? [paxRecord('size', String(size))] : []),
  ].join('');
  const header = ustar(path.slice(0, maxPath), size > maxSize ? 0 : size, '0');
  if (records === '') return header;
  const pax = Buffer.from(records);
  return Buffer.concat([ustar('PaxHeader', pax.length, 'x'), pax, tarPadding(pax.length), header]);
}

/** What stands behind a file of this size. */
export function tarPadding(size: number): Buffer {
  return Buffer.alloc((tarBlock - (size % tarBlock)) % tarBlock);
}

/** All that a file takes. Bytes. */
export function tarSize(path: string, size: number): number {
  return tarHeader(path, size).length + size + tarPadding(size).length;
}

/** It begins with its own length. */
function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return `${length}${rest}`;
}

function ustar(path: string, size: number, type: '0' | 'x'): Buffer {
  const header = Buffer.alloc(tarBlock);
  header.write(path, 0, 'latin1');
  header.write('0000644\0', 100, 'latin1');
  for (const at of [108, 116]) header.write('0000000\0', at, 'latin1');
  header.write(`${size.toString(8).padStart(11, '0')}\0`, 124, 'latin1');
  header.write('00000000000\0', 136, 'latin1');
  header.write('        ', 148, 'latin1');
  header.write(type, 156, 'latin1');
  header.write('ustar\x0000', 257, 'latin1');
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return header;
}
