import type { Server, Socket } from 'node:net';

/**
 * The connections of a server from their first moment to their last. Node's own list lacks those in the middle of a TLS handshake, or before
 * it, and those that it has let go of: tunnels that are refused.
 */
export class Connections {
  readonly #open = new Set<Socket>();

  constructor(server: Server) {
    server.on('connection', (socket: Socket) => {
      this.#open.add(socket);
      socket.once('close', () => this.#open.delete(socket));
    });
  }

  /** Ends all of them now. */
  cut(): void {
    for (const socket of this.#open) socket.destroy();
  }
}
