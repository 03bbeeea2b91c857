import { htpasswdLine, putHtpasswdLine } from '../app/htpasswd.ts';
import { type PasswordInput, typedPassword } from './typed-password.ts';

export interface HtpasswdOrder {
  readonly user: string;
  /** The file that the line goes into; '' is none: it is printed. */
  readonly file: string;
  readonly algorithm: 'bcrypt' | 'argon2id';
}

interface Streams {
  readonly stdin: PasswordInput;
  readonly stdout: { write(text: string): unknown };
  readonly stderr: { write(text: string): unknown };
}

/** Makes the entry of a user of `auth.basic.htpasswdFile`. Throws an Error. */
export async function htpasswd(
  { user, file, algorithm }: HtpasswdOrder,
  { stdin, stdout, stderr }: Streams,
): Promise<void> {
  const password = await typedPassword(stdin, stderr);
  const line = await htpasswdLine(user, password, algorithm);
  if (file === '') stdout.write(`${line}\n`);
  else stderr.write(`${user} was ${await putHtpasswdLine(file, line)}\n`);
}
