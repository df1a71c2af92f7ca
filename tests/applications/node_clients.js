// What ioredis and node-redis do with a server: `node node_clients.js PORT` prints what they saw, line by line.
const Redis = require("ioredis");
const { createClient } = require("redis");
const port = Number(process.argv[2]);
const say = (...words) => console.log(JSON.stringify(words));

async function withIoredis() {
  const client = new Redis(port, "127.0.0.1");
  await client.flushall();
  say("set", await client.set("a", "1"), await client.get("a"), await client.getBuffer("a"));
  const pipeline = client.pipeline();
  for (let i = 0; i < 100; i++) pipeline.set("key" + i, i);
  say("pipeline", await pipeline.exec());
  say("multi", await client.multi().incr("a").get("a").lpush("a", "x").exec());
  const subscriber = new Redis(port, "127.0.0.1");
  await subscriber.subscribe("channel");
  const heard = new Promise((done) => subscriber.on("message", (channel, message) => done([channel, message])));
  say("publish", await client.publish("channel", "hello"), await heard);
  client.defineCommand("mine", { numberOfKeys: 1, lua: "return {KEYS[1], redis.call('get', KEYS[1]), ARGV[1]}" });
  say("script", await client.mine("a", "b"), await client.mine("a", "c"));
  const monitor = await client.monitor();
  const seen = new Promise((done) => monitor.on("monitor", (time, words) => done(words)));
  await client.get("seen by the monitor");
  say("monitor", await seen);
  monitor.disconnect();
  const keys = [];
  for await (const found of client.scanStream({ match: "key*" })) keys.push(...found);
  say("scan", keys.sort());
  say("blocking", await client.blpop("nothing", 0.01), await client.brpop("list", 0.01));
  await client.config("SET", "slowlog-log-slower-than", "0");
  await client.call("SLOWLOG", "RESET");
  await client.set("slow", "1");
  say("slowlog", (await client.slowlog("get", 1))[0][3]);
  await client.config("SET", "slowlog-log-slower-than", "10000");
  say("wrong", await client.lpush("a", "x").catch((error) => error.message), await client.call("NOSUCH").catch((error) => error.message));
  subscriber.disconnect();
  client.disconnect();
}

async function withNodeRedis(RESP) {
  const client = createClient({ url: `redis://127.0.0.1:${port}`, RESP, unstableResp3: true });
  await client.connect();
  await client.flushAll();
  say(RESP, "hash", await client.hSet("h", { a: 1, b: 2 }), await client.hGetAll("h"), await client.hExpire("h", "a", 1000));
  say(RESP, "zset", await client.zAdd("z", [{ score: 1, value: "x" }, { score: 2.5, value: "y" }]), await client.zRangeWithScores("z", 0, -1));
  say(RESP, "stream", await client.xAdd("s", "1-1", { f: "v" }), await client.xRead({ key: "s", id: "0" }));
  say(RESP, "multi", await client.multi().set("m", "1").get("m").exec());
  say(RESP, "geo", await client.geoAdd("g", { longitude: 13.3, latitude: 52.5, member: "b" }), await client.geoSearch("g", "b", { radius: 1, unit: "km" }));
  const { id, user, resp, cmd, flags } = await client.clientInfo();
  say(RESP, "client", id > 0, user, resp, cmd, flags, (await client.clientList()).length > 0, await client.clientGetName());
  say(RESP, "server", (await client.configGet("maxmemory-policy")), Object.keys(await client.memoryStats()).filter((name) => name.startsWith("keys")),
      (await client.role()).role, await client.latencyHistory("command"), (await client.info("server")).includes("redis_version:8.2"), await client.latencyReset());
  say(RESP, "commands", await client.commandGetKeys(["SET", "k", "v"]), (await client.commandInfo(["get"]))[0].name);
  const subscriber = client.duplicate();
  await subscriber.connect();
  const heard = new Promise((done) => subscriber.pSubscribe("chan*", (message, channel) => done([channel, message])));
  let receivers = 0;
  while (!receivers) receivers = await client.publish("channel", "hello");
  say(RESP, "publish", receivers, await heard);
  await subscriber.close();
  await client.close();
}

(async () => {
  await withIoredis();
  await withNodeRedis(2);
  await withNodeRedis(3);
})().catch((error) => { console.error("FAILED", error); process.exit(1); });
