import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';

const typeA = 1;
const typeAaaa = 28;
const noSuchName = 3;
const flags = 0x8180;

/** A name server on a port of its own (RFC 1035 section 4): knows what it is told, and is silent of some names. */
export class FakeNameServer implements AsyncDisposable {
  /** Addresses in version 4 by name; whatever is not here does not exist. */
  readonly addresses = new Map<string, string>();
  /** What ends so gets no answer. */
  silentOf: RegExp | undefined;
  /** The names that were asked for, once for each packet that asks for version 4. */
  readonly asked: string[] = [];
  /** Settles with the first packet. */
  readonly askedOnce: Promise<unknown>;
  readonly #socket: Socket;

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.askedOnce = once(socket, 'message');
    socket.on('message', (packet, from) => this.#answer(packet, from));
  }

  static async start(): Promise<FakeNameServer> {
    const socket = createSocket('udp4');
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    return new FakeNameServer(socket);
  }

  /** As a resolver takes it. */
  get address(): string {
    return `127.0.0.1:${this.#socket.address().port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#socket, 'close');
    this.#socket.close();
    await closed;
  }

  #answer(packet: Buffer, { port, address }: RemoteInfo): void {
    const { name, type, end } = questionIn(packet);
    if (type === typeA) this.asked.push(name);
    if (this.silentOf?.test(name) === true) return;
    const known = this.addresses.get(name);
    const answers = known !== undefined && type === typeA ? [recordOf(known)] : [];
    const head = Buffer.alloc(12);
    packet.copy(head, 0, 0, 2);
    head.writeUInt16BE(known === undefined ? flags | noSuchName : flags, 2);
    head.writeUInt16BE(1, 4);
    head.writeUInt16BE(answers.length, 6);
    this.#socket.send(Buffer.concat([head, packet.subarray(12, end), ...answers]), port, address);
  }
}

function questionIn(packet: Buffer): { name: string; type: number; end: number } {
  const labels: string[] = [];
  let at = 12;
  for (let length = packet[at] ?? 0; length > 0; length = packet[at] ?? 0) {
    labels.push(packet.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  const type = packet.readUInt16BE(at + 1);
  if (type !== typeA && type !== typeAaaa) throw new Error(`nobody asks for type ${type} here`);
  return { name: labels.join('.').toLowerCase(), type, end: at + 5 };
}

/** Of the name in the question, for a minute. */
function recordOf(address: string): Buffer {
  const head = Buffer.from([0xc0, 12, 0, typeA, 0, 1, 0, 0, 0, 60, 0, 4]);
  return Buffer.concat([head, Buffer.from(address.split('.').map(Number))]);
}
