// The contract of tests/bench on @grpc/grpc-js, as its documentation writes servers and clients.
//
//   node echo.js server PORT [CERTIFICATE KEY]
//   node echo.js client PORT IN_FLIGHT SECONDS
'use strict';

const fs = require('fs');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');

const { Echo } = grpc.loadPackageDefinition(
  loader.loadSync('bench/v1/echo.proto', {
    includeDirs: process.env.PROTO_PATH.split(':'),
    keepCase: true,
    defaults: true,
  })
).bench.v1;

const echo = (call, done) => done(null, call.request);

const handlers = {
  Ping: echo,
  Call: echo,
  Copy: echo,
  Chat: (call) => call.pipe(call),
  Upload: (call, done) => {
    const amount = { messages: 0, bytes: 0 };
    call.on('data', ({ body }) => {
      amount.messages++;
      amount.bytes += body.length;
    });
    call.on('end', () => done(null, amount));
  },
  Download: async (call) => {
    const { messages, bytes } = call.request;
    const payload = { body: Buffer.alloc(messages ? bytes / messages : 0) };
    for (let i = 0; i < messages; i++) {
      if (!call.write(payload)) await new Promise((resolve) => call.once('drain', resolve));
    }
    call.end();
  },
};

function serve(port, certificate, key) {
  const credentials = certificate
    ? grpc.ServerCredentials.createSsl(null, [
        { cert_chain: fs.readFileSync(certificate), private_key: fs.readFileSync(key) },
      ])
    : grpc.ServerCredentials.createInsecure();
  const server = new grpc.Server();
  server.addService(Echo.service, handlers);
  server.bindAsync(`127.0.0.1:${port}`, credentials, (error) => {
    if (error) throw error;
  });
}

function drive(port, inFlight, seconds) {
  const stub = new Echo(`127.0.0.1:${port}`, grpc.credentials.createInsecure());
  const order = {
    id: '0192f0c1-7a2b-7c3d',
    created_ms: 1763712000000,
    customer: { name: 'Ada', email: 'ada@example.org' },
    lines: [
      { product_id: 'odyssey', quantity: 2, price_minor: 9999 },
      { product_id: 'argo', quantity: 1, price_minor: 4999 },
    ],
    express: true,
    labels: { k: 'v' },
    discount: 0.1,
  };
  let calls = 0;
  const call = () =>
    stub.Call(order, (error, answer) => {
      if (error || answer.id !== order.id) throw error || new Error('wrong answer');
      calls++;
      call();
    });
  for (let i = 0; i < inFlight; i++) call();
  setTimeout(() => {
    const callsBefore = calls;
    const cpuBefore = process.cpuUsage();
    const started = process.hrtime.bigint();
    setTimeout(() => {
      const { user, system } = process.cpuUsage(cpuBefore);
      const took = Number(process.hrtime.bigint() - started) / 1e9;
      console.log(calls - callsBefore, took, (user + system) / 1e6);
      process.exit(0);
    }, seconds * 1000);
  }, seconds * 250);
}

const [what, port, ...rest] = process.argv.slice(2);
if (what === 'server' && port) serve(port, ...rest);
else if (what === 'client' && rest.length === 2) drive(port, Number(rest[0]), Number(rest[1]));
else {
  console.error('usage: echo.js server PORT [CERTIFICATE KEY] | client PORT IN_FLIGHT SECONDS');
  process.exit(2);
}
