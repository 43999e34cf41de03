// What a service written for Node.js does, with Microsoft's addresses built in: once by `fetch`, once by `https`.
const https = require('node:https');
const tenant = '8d1f3a52-64b0-4c4e-9b4e-0a5f7e2c1d10';
const entra = `https://login.microsoftonline.com/${tenant}`;
const list = 'https://marketplaceapi.microsoft.com/api/saas/subscriptions?api-version=2018-08-31';
const form = new URLSearchParams({
  grant_type: 'client_credentials', client_id: '5f0c2a9e-3b7d-4f61-8a2c-6d9e1b4f7a20',
  client_secret: 'local-development-secret', scope: '20e940b3-4c77-4b0b-9a53-9e16a1b010a7/.default',
});

const byHttps = (url, { method = 'GET', headers = {}, body } = {}) => new Promise((resolve, reject) => {
  const request = https.request(url, { method, headers }, (response) => {
    let text = '';
    response.on('data', (piece) => { text += piece; });
    response.on('end', () => resolve({ status: response.statusCode, json: () => JSON.parse(text) }));
  });
  request.on('error', reject);
  request.end(body && String(body));
});

async function probe(send) {
  const metadata = await (await send(`${entra}/v2.0/.well-known/openid-configuration`)).json();
  const headers = { 'content-type': 'application/x-www-form-urlencoded' };
  const token = await (await send(metadata.token_endpoint, { method: 'POST', body: form, headers })).json();
  const listed = await send(list, { headers: { authorization: `Bearer ${token.access_token}` } });
  let refused = '';
  try { await send('https://elsewhere.example/'); } catch (error) { refused = (error.cause || error).message; }
  return [metadata.issuer, metadata.jwks_uri, listed.status, /intercept\.allow/.test(refused)].join(' ');
}

(async () => {
  console.log(await probe(fetch));
  console.log(await probe(byHttps));
})();
