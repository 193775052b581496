import { createServer, type Socket } from "node:net";

/** One MQTT packet as bytes came: type, flags and what follows the length. */
export interface RawPacket {
  readonly type: number;
  readonly body: Buffer;
}

/** A connection as the broker's side sees it, with everything the client sent. */
export interface RawConnection {
  readonly packets: RawPacket[];
  readonly socket: Socket;
  /** Packet ids of the PUBACKs so far, in order. */
  acks(): number[];
  /** Sends a PUBLISH at QoS 1 (MQTT 3.1.1). */
  publish(id: number, topic: string, payload: string, dup?: boolean): void;
}

export interface RawBroker {
  readonly url: string;
  readonly connections: RawConnection[];
  close(): Promise<void>;
}

const TYPE = { connect: 1, puback: 4, subscribe: 8, pingreq: 12 };

/**
 * The least a broker must do, with every byte under the test's control: it answers CONNECT, SUBSCRIBE and PINGREQ and
 * leaves the rest to the test.
 */
export async function startRawBroker(connackCode: () => number = () => 0, granted = 1): Promise<RawBroker> {
  const connections: RawConnection[] = [];
  const server = createServer((socket) => {
    let rest = Buffer.alloc(0);
    const packets: RawPacket[] = [];
    connections.push({
      packets,
      socket,
      acks: () => packets.filter((p) => p.type === TYPE.puback).map((p) => p.body.readUInt16BE(0)),
      publish: (id, topic, payload, dup = false) => {
        const head = Buffer.alloc(2 + Buffer.byteLength(topic) + 2);
        head.writeUInt16BE(Buffer.byteLength(topic), 0);
        head.write(topic, 2);
        head.writeUInt16BE(id, head.length - 2);
        socket.write(frame(dup ? 0x3a : 0x32, Buffer.concat([head, Buffer.from(payload)])));
      },
    });
    socket.on("error", () => {});
    socket.on("data", (data) => {
      rest = Buffer.concat([rest, data]);
      for (;;) {
        const packet = firstPacket(rest);
        if (packet === null) return;
        rest = rest.subarray(packet.size);
        packets.push({ type: packet.type, body: packet.body });
        if (packet.type === TYPE.connect) socket.write(Buffer.from([0x20, 2, 0, connackCode()]));
        if (packet.type === TYPE.subscribe) {
          socket.write(Buffer.from([0x90, 3, packet.body[0]!, packet.body[1]!, granted]));
        }
        if (packet.type === TYPE.pingreq) socket.write(Buffer.from([0xd0, 0]));
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return {
    url: `mqtt://127.0.0.1:${address.port}`,
    connections,
    close: async () => {
      for (const { socket } of connections) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function frame(header: number, body: Buffer): Buffer {
  if (body.length > 127) throw new Error("only short packets");
  return Buffer.concat([Buffer.from([header, body.length]), body]);
}

function firstPacket(data: Buffer): { type: number; body: Buffer; size: number } | null {
  let length = 0;
  for (let i = 1; i < Math.min(5, data.length); i++) {
    length += (data[i]! & 0x7f) * 128 ** (i - 1);
    if (data[i]! >= 128) continue;
    const size = i + 1 + length;
    return data.length < size ? null : { type: data[0]! >> 4, body: data.subarray(i + 1, size), size };
  }
  return null;
}
