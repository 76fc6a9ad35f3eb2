// An endpoint that does what the path says. Prints its ports, then a line of JSON for each
// connection and each request, checked as Standard Webhooks' own library does.
//   webhook_receiver.mjs SECRET|@FILE [CERTIFICATE KEY]
// A secret in a file is read anew for each request.
import { readFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import { Webhook } from "standardwebhooks";

const [secret, certificate, key] = process.argv.slice(2);
const tell = (what) => process.stdout.write(JSON.stringify(what) + "\n");

function check(headers, body) {
  try {
    const own = secret.startsWith("@") ? readFileSync(secret.slice(1), "utf8") : secret;
    return { event: new Webhook(own).verify(body, headers) };
  } catch (error) {
    return { fault: String(error) };
  }
}

const answers = {
  "/ok": (response) => response.writeHead(204).end(),
  "/redirect": (response, port) =>
    response.writeHead(302, { location: `http://127.0.0.1:${port}/ok` }).end(),
  "/moved": (response, port) =>
    response.writeHead(308, { location: `http://127.0.0.1:${port}/ok` }).end(),
  "/gone": (response) => response.writeHead(410).end(),
  "/broken": (response) => response.writeHead(500).end("sorry"),
  "/forbidden": (response) => response.writeHead(403).end(),
  "/wait": (response) => response.writeHead(429, { "retry-after": "120" }).end(),
  "/wait-long": (response) => response.writeHead(503, { "retry-after": "99999999" }).end(),
  "/wait-date": (response) =>
    response
      .writeHead(503, { "retry-after": new Date(Date.now() + 600_000).toUTCString() })
      .end(),
  "/broken-wait": (response) => response.writeHead(500, { "retry-after": "120" }).end(),
  "/large": (response) => {
    let megabytes = 0;
    response.on("close", () => tell({ megabytes }));
    response.writeHead(200);
    const more = () => {
      while (megabytes < 100) {
        ++megabytes;
        if (!response.write(Buffer.alloc(1 << 20, "x"))) return response.once("drain", more);
      }
      response.end();
    };
    more();
  },
  "/large-headers": (response) => {
    const headers = {};
    for (let i = 0; i < 200; ++i) headers[`x-filler-${i}`] = "x".repeat(1000);
    response.writeHead(200, headers).end();
  },
  "/cut": (response) => response.destroy(),
  "/slow": () => {},
};

function serve(secure) {
  const answer = (request, response) => {
    const chunks = [];
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("end", () => {
      const body = Buffer.concat(chunks).toString();
      tell({ path: request.url, method: request.method, headers: request.headers, body,
             ...check(request.headers, body) });
      answers[request.url](response, request.socket.localPort);
    });
  };
  const server = secure
    ? https.createServer({ cert: readFileSync(certificate), key: readFileSync(key) }, answer)
    : http.createServer(answer);
  server.on("connection", () => tell({ connection: true }));
  return new Promise((done) =>
    server.listen(0, "127.0.0.1", () => done(server.address().port)));
}

tell({
  port: await serve(false),
  other_port: await serve(false),
  secure_port: certificate ? await serve(true) : 0,
});
