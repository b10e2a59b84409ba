// Signs GraphiQL in: a token comes with the link (#token=…) or is pasted, is kept for this tab only, and
// goes with each request. Nothing here is inline, so that the page's policy can forbid inline scripts.
"use strict";

(function () {
  const KEY = "entente.token";
  const WELCOME = [
    "# Ask the hub as the seat that you are signed in with.",
    "# The schema on the left is what this seat may know of.",
    "",
    "{",
    "  viewer {",
    "    seat",
    "    role",
    "  }",
    "}",
    "",
  ].join("\n");
  const part = (id) => document.getElementById(id);
  let root = null;

  function tokenFromLink() {
    const fragment = new URLSearchParams(location.hash.slice(1));
    const token = fragment.get("token");
    if (token) {
      sessionStorage.setItem(KEY, token);
      // out of the address bar, the history and the next copied link
      history.replaceState(null, "", location.pathname + location.search);
    }
  }

  // For the bar only: the hub decides, and checks the signature.
  function endOf(token) {
    try {
      const claims = JSON.parse(atob(token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/")));
      return `, until ${new Date(claims.exp * 1000).toLocaleString()}`;
    } catch {
      return "";
    }
  }

  function send(token, params, more, accept, signal) {
    return fetch("/graphql", {
      method: "POST",
      headers: {
        // what the headers editor holds, such as X-Entente-As
        ...more,
        accept,
        "content-type": "application/json",
        authorization: `Bearer ${token}`,
      },
      body: JSON.stringify(params),
      signal,
    });
  }

  async function ask(token, params, more) {
    const response = await send(token, params, more, "application/graphql-response+json");
    return { status: response.status, body: await response.json() };
  }

  // The answers of a subscription, read off an event stream until it ends or GraphiQL stops it.
  function subscribe(token, params, more) {
    const stop = new AbortController();
    async function* answers() {
      try {
        const response = await send(token, params, more, "text/event-stream", stop.signal);
        if (!response.headers.get("content-type").startsWith("text/event-stream")) {
          const body = await response.json();
          if (response.status === 401) {
            enter(body.errors[0].message);
          }
          yield body;
          return;
        }
        let text = "";
        const lines = response.body.pipeThrough(new TextDecoderStream()).getReader();
        for (let part = await lines.read(); !part.done; part = await lines.read()) {
          const events = (text + part.value).split("\n\n");
          text = events.pop();
          for (const event of events) {
            const data = /^event: next$[^]*^data: (.*)$/m.exec(event);
            if (data) {
              yield JSON.parse(data[1]);
            }
          }
        }
      } catch (trouble) {
        if (!stop.signal.aborted) {
          throw trouble;
        }
      }
    }
    const all = answers();
    const iterator = {
      next: () => all.next(),
      // at once: the next answer may never come
      return: () => {
        stop.abort();
        return all.return();
      },
    };
    return { [Symbol.asyncIterator]: () => iterator };
  }

  function isSubscription(params, document) {
    const named = (operation) => !params.operationName || operation.name?.value === params.operationName;
    const operations = (document?.definitions ?? []).filter((part) => part.kind === "OperationDefinition");
    return operations.find(named)?.operation === "subscription";
  }

  function enter(trouble) {
    if (root) {
      root.unmount();
      root = null;
    }
    sessionStorage.removeItem(KEY);
    part("bar").hidden = true;
    part("graphiql").hidden = true;
    part("enter").hidden = false;
    part("trouble").textContent = trouble || "";
    part("token").value = "";
    part("token").focus();
  }

  function show(token, seat) {
    part("enter").hidden = true;
    part("bar").hidden = false;
    part("graphiql").hidden = false;
    part("seat").textContent = seat + endOf(token);
    const fetcher = async (params, options) => {
      if (isSubscription(params, options?.documentAST)) {
        return subscribe(token, params, options?.headers);
      }
      const { status, body } = await ask(token, params, options?.headers);
      if (status === 401) {
        enter(body.errors[0].message);
      }
      return body;
    };
    root = ReactDOM.createRoot(part("graphiql"));
    // the tab's storage: two seats side by side in two tabs do not see each other's queries
    root.render(React.createElement(GraphiQL, { fetcher, storage: sessionStorage, defaultQuery: WELCOME }));
  }

  async function signIn(token) {
    let answer;
    try {
      answer = await ask(token, { query: "{ viewer { seat } }" });
    } catch {
      enter("the hub does not answer");
      return;
    }
    if (answer.status === 401) {
      enter(answer.body.errors[0].message);
      return;
    }
    sessionStorage.setItem(KEY, token);
    show(token, answer.body.data?.viewer?.seat ?? "");
  }

  part("leave").addEventListener("click", () => enter());
  part("enter").addEventListener("submit", (event) => {
    event.preventDefault();
    signIn(part("token").value.trim());
  });
  // a second link opened in the same tab changes the fragment only
  addEventListener("hashchange", () => {
    tokenFromLink();
    location.reload();
  });

  tokenFromLink();
  const token = sessionStorage.getItem(KEY);
  if (token) {
    signIn(token);
  } else {
    enter();
  }
})();
