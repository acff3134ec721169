// The shop's journey with @grpc/grpc-js and the contracts as @grpc/proto-loader reads them.
//
//   node journey.js PRODUCT ORDER NOTIFICATION USER
//
// The arguments are the services' addresses; SHOP_LOGIN and SHOP_PASSWORD in the environment are
// those of a merchant. It ends with status 0 when every step was as promised.
'use strict';

const assert = require('node:assert/strict');
const { randomUUID } = require('node:crypto');
const { setTimeout } = require('node:timers/promises');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');

const LIMIT_MS = 60_000; // for everything

const files = ['product', 'order', 'notification', 'user'].map(
  (name) => `${name}/v1/${name}.proto`
);
const { product, order, notification, user } = grpc.loadPackageDefinition(
  loader.loadSync(files, { includeDirs: ['proto'], defaults: true, enums: String, longs: Number })
);
const deadline = Date.now() + LIMIT_MS;
const metadata = new grpc.Metadata(); // of all calls

// Stubs that answer with promises.
function client(Service, address) {
  const stub = new Service(address, grpc.credentials.createInsecure());
  const call = (name) => (request) =>
    new Promise((resolve, reject) =>
      stub[name](request, metadata, { deadline }, (err, answer) => (err ? reject(err) : resolve(answer)))
    );
  return { stub, call };
}

// From now on all calls are the user's.
async function signIn(address) {
  const users = client(user.v1.UserService, address);
  const answer = await users.call('signInRegular')({
    login: process.env.SHOP_LOGIN,
    password: process.env.SHOP_PASSWORD,
  });
  metadata.set('authorization', `Bearer ${answer.tokens.accessToken}`);
  users.stub.close();
}

async function journey(addresses) {
  const products = client(product.v1.ProductService, addresses[0]);
  const orders = client(order.v1.OrderService, addresses[1]);
  const notifications = client(notification.v1.NotificationService, addresses[2]);
  const createProduct = products.call('createProduct');
  const getProduct = products.call('getProduct');
  const createOrder = orders.call('createOrder');
  await assert.rejects(orders.call('listOrders')({}), { code: grpc.status.UNAUTHENTICATED });
  await signIn(addresses[3]);
  const run = randomUUID();
  const first = `odyssey-${run}`;
  const second = `nautilus-${run}`;

  for (const [id, inStock] of [[first, 10], [second, 5]]) {
    const made = await createProduct({ product: { id, title: `Title of ${id}`, inStock } });
    assert.equal(made.id, id);
    assert.equal(made.inStock, inStock);
    assert.ok(made.createTime);
  }

  const stream = notifications.stub.watchNotifications({}, metadata, { deadline });
  const messages = stream[Symbol.asyncIterator]();
  assert.equal((await messages.next()).value.notification, null); // the watch is in place

  const price = (minorUnits) => ({ minorUnits, currency: 'EUR' });
  const request = {
    requestId: randomUUID(),
    lines: [
      { productId: first, quantity: 2, price: price(9999) },
      { productId: second, quantity: 1, price: price(1000) },
    ],
  };
  const made = await createOrder(request);
  assert.deepEqual(made.total, price(20998));
  assert.equal((await createOrder(request)).id, made.id); // no other one with this request_id

  const read = await orders.call('getOrder')({ id: made.id });
  assert.deepEqual(
    read.lines.map((line) => line.product.title),
    [`Title of ${first}`, `Title of ${second}`]
  );

  for (const [id, stock] of [[first, 8], [second, 4]]) {
    // fails at the deadline
    while ((await getProduct({ id })).inStock !== stock) await setTimeout(20);
  }

  let heard; // others may order, too
  do {
    heard = (await messages.next()).value.notification;
  } while (heard.resource !== `orders/${made.id}`);
  assert.equal(heard.kind, 'ORDER_CREATED');
  const page = await notifications.call('listNotifications')({});
  assert.ok(page.notifications.some((one) => one.id === heard.id), 'the notification is listed');

  stream.on('error', () => {}); // that it is cancelled
  stream.cancel();
  for (const { stub } of [products, orders, notifications]) stub.close();
}

journey(process.argv.slice(2));
