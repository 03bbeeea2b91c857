import { hashSync } from 'bcryptjs';

/** Of a cost at which no test waits. */
export function bcrypt(password: string, cost = 4): string {
  return hashSync(password, cost);
}

/** The header Authorization (RFC 7617). */
export function basicHeader(user: string, password: string): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
}
