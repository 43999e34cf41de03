// For Node.js up to version 20, which knows no HTTPS_PROXY: NODE_OPTIONS=--require=/path/to/proxy-for-node.cjs
// Sends https requests of `https` and of `fetch` through that proxy, unless NO_PROXY names the host.
'use strict';

const http = require('node:http');
const https = require('node:https');
const net = require('node:net');
const tls = require('node:tls');

const named = process.env.HTTPS_PROXY || process.env.https_proxy;
const direct = (process.env.NO_PROXY || process.env.no_proxy || '')
  .toLowerCase().split(/[\s,]+/).filter(Boolean).map((entry) => entry.replace(/^\*?\./, ''));

function isDirect(host) {
  return direct.some((entry) => entry === '*' || host === entry || host.endsWith(`.${entry}`));
}

function tunnel(proxy, host, port, done) {
  const request = http.request({
    host: proxy.hostname, port: proxy.port || 80, method: 'CONNECT', path: `${host}:${port}`, agent: false,
  });
  request.once('connect', (response, socket) => {
    if (response.statusCode === 200) return done(null, socket);
    socket.destroy();
    return done(new Error(`${named} refused ${host}:${port}: ${response.statusCode} ${response.statusMessage}`));
  });
  request.once('error', done);
  request.end();
}

if (named) {
  const proxy = new URL(named);

  const connect = https.Agent.prototype.createConnection;
  https.Agent.prototype.createConnection = function createConnection(options, done) {
    const host = String(options.host || options.hostname || 'localhost').toLowerCase();
    if (options.socket || isDirect(host)) return connect.call(this, options, done);
    tunnel(proxy, host, options.port || 443, (error, socket) => {
      if (error) done(error);
      else done(null, connect.call(this, { ...options, socket }));
    });
    return undefined;
  };

  void globalThis.Headers; // `fetch` is loaded on first use, and with it its dispatcher
  const key = Symbol.for('undici.globalDispatcher.1');
  const Agent = globalThis[key] && globalThis[key].constructor;
  if (Agent) {
    globalThis[key] = new Agent({
      connect(options, done) {
        const { hostname, protocol } = options;
        const port = Number(options.port) || (protocol === 'https:' ? 443 : 80);
        const secure = (socket) => {
          const secured = tls.connect({
            socket, host: hostname, port, servername: net.isIP(hostname) ? '' : options.servername || hostname,
            ALPNProtocols: ['http/1.1'],
          });
          secured.once('secureConnect', () => done(null, secured)).once('error', done);
        };
        if (protocol === 'https:' && !isDirect(hostname)) {
          tunnel(proxy, hostname, port, (error, socket) => (error ? done(error) : secure(socket)));
        } else if (protocol === 'https:') {
          secure(undefined);
        } else {
          const socket = net.connect(port, hostname);
          socket.once('connect', () => done(null, socket)).once('error', done);
        }
      },
    });
  }
}
