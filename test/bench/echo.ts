/** Baseline: a server that sends back what it was sent, and does nothing else. What is left is the socket and the machine. */
import { createServer } from "node:net";

createServer((socket) => {
  socket.on("data", (chunk) => socket.write(chunk));
  socket.on("error", () => socket.destroy());
}).listen(process.argv[2], () => process.stdout.write("ready\n"));
