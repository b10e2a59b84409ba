//! Documents in every form that a client may write. In variables `#Customer/3` stands for the id of the
//! seat's fourth customer, `§customers|{field: NAME}|2` for the cursor of the third in that order.

pub struct Case {
    pub document: &'static str,
    /// The document runs once with each.
    pub variables: &'static [&'static str],
}

const fn plain(document: &'static str) -> Case {
    Case { document, variables: &["{}"] }
}

const fn with(document: &'static str, variables: &'static [&'static str]) -> Case {
    Case { document, variables }
}

pub const CORPUS: &[Case] = &[
    // ---- the plainest
    plain("{ __typename }"),
    plain("{ a: __typename b: __typename __typename }"),
    plain("{ products { nodes { id sku name listPrice uom } } }"),
    plain("{ products { totalCount } }"),
    plain(
        "{ products { __typename totalCount nodes { __typename id } edges { __typename cursor node { __typename sku } } pageInfo { __typename hasNextPage hasPreviousPage startCursor endCursor } } }",
    ),
    plain(
        "{ products(first: 0) { nodes { id } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } totalCount } }",
    ),
    plain("{ products(first: 1000) { edges { node { id } } pageInfo { hasNextPage } } }"),
    plain("{ orderLines(first: 7) { nodes { lineNo qty orderedOn product { sku family } } } }"),
    plain(
        "{ salesOrders(first: 10) { nodes { number status shipToRegion customer { name region } owner { displayName } } } }",
    ),
    plain("{ auditEvents(first: 5) { nodes { at action fields } } }"),
    plain("{ organisations { nodes { slug externalIds parent { slug parent { slug } } } } }"),
    // ---- the same field under several keys, several fields under one key
    plain("{ products(first: 3) { nodes { id a: id sku b: sku c: name name } } }"),
    plain("{ products(first: 3) { nodes { sku sku } nodes { name sku } nodes { id } } }"),
    plain("{ salesOrders(first: 4) { nodes { customer { name } customer { id name } c: customer { region } } } }"),
    plain(
        "{ salesOrders(first: 4) { nodes { lines(first: 2) { nodes { qty } } lines(first: 2) { totalCount nodes { lineNo } } } } }",
    ),
    plain("{ viewer { seat } viewer { role seat } v: viewer { __typename } }"),
    plain(
        "{ one: products(first: 2) { nodes { sku } } two: products(last: 2) { nodes { sku } } products(first: 1) { totalCount } }",
    ),
    plain("{ caseAggregate { count } caseAggregate { count key { __typename } } }"),
    // ---- fragments
    plain(
        "{ products(first: 3) { ...page } } fragment page on ProductConnection { nodes { ...row } totalCount } fragment row on Product { id ...names } fragment names on Product { sku name }",
    ),
    plain(
        "{ a: products(first: 2) { ...p } b: products(last: 2) { ...p } } fragment p on ProductConnection { nodes { ...r ...r sku } } fragment r on Product { sku uom }",
    ),
    plain(
        "{ ...q } fragment q on Query { products(first: 1) { nodes { id } } ...r } fragment r on Query { __typename products(first: 1) { nodes { sku } } }",
    ),
    plain("{ products(first: 2) { nodes { ... { sku } ... on Product { name } ... on Node { id } } } }"),
    plain(
        "{ products(first: 2) { ... on ProductConnection { edges { ... on ProductEdge { node { ... on Node { id __typename } } cursor } } pageInfo { ... on PageInfo { hasNextPage } } } } }",
    ),
    plain(
        "{ salesOrders(first: 2) { nodes { ...who ...what } } } fragment who on SalesOrder { customer { ...c } } fragment what on SalesOrder { customer { ...d } number } fragment c on Customer { name } fragment d on Customer { region name }",
    ),
    // ---- directives
    with(
        "query q($yes: Boolean!, $no: Boolean!) { products(first: 2) { nodes { id @skip(if: $yes) sku @include(if: $yes) name @include(if: $no) uom @skip(if: $no) @include(if: $yes) family @skip(if: $yes) @include(if: $yes) } } }",
        &[r#"{"yes": true, "no": false}"#, r#"{"yes": false, "no": true}"#, r#"{"yes": true, "no": true}"#],
    ),
    with(
        "query q($on: Boolean = true) { ...p @include(if: $on) ... @skip(if: $on) { viewer { seat } } } fragment p on Query { products(first: 1) { nodes { sku } } }",
        &["{}", r#"{"on": false}"#, r#"{"on": true}"#],
    ),
    plain("{ products(first: 1) @skip(if: true) { nodes { id } } __typename }"),
    plain("{ products(first: 1) @include(if: false) { nodes { id } } }"),
    plain("{ products(first: 2) { nodes { id @include(if: false) } } }"),
    with(
        "query q($b: Boolean!) { salesOrders(first: 3) { nodes { number lines(first: 2) @include(if: $b) { nodes { qty } } customer @skip(if: $b) { name } ... on SalesOrder @include(if: $b) { status } } pageInfo @skip(if: $b) { endCursor } totalCount @include(if: $b) } }",
        &[r#"{"b": true}"#, r#"{"b": false}"#],
    ),
    with(
        "query q($b: Boolean!) { products(first: 2) { nodes { sku @skip(if: $b) sku name @include(if: $b) } } }",
        &[r#"{"b": true}"#, r#"{"b": false}"#],
    ),
    // ---- variables: whole arguments
    with(
        "query q($f: ProductFilter, $o: [ProductOrder!], $n: Int) { products(filter: $f, orderBy: $o, first: $n) { nodes { sku family } totalCount } }",
        &[
            "{}",
            r#"{"f": null, "o": null, "n": null}"#,
            r#"{"f": {}, "o": [], "n": 2}"#,
            r#"{"f": {"family": {"eq": "seal"}}, "n": 3}"#,
            r#"{"f": {"family": {"eq": null}}}"#,
            r#"{"f": {"sku": {"like": "%-1%"}, "not": {"family": {"in": ["seal"]}}}, "o": [{"field": "FAMILY", "direction": "DESC"}, {"field": "SKU"}]}"#,
            r#"{"f": {"or": [{"sku": {"gt": "M"}}, {"name": {"isNull": true}}]}, "o": {"field": "NAME"}}"#,
            r#"{"f": {"and": [{"listPrice": {"gte": "10"}}, {"listPrice": {"lt": 100.5}}]}, "o": [{"field": "LIST_PRICE", "direction": "DESC"}]}"#,
            r#"{"f": {"listPrice": {"ne": null}}, "o": [{"field": "GTIN"}]}"#,
        ],
    ),
    // ---- variables: inside objects and lists
    with(
        "query q($a: String!, $b: String!, $x: StringFilter) { products(filter: { sku: { in: [$a, \"SEAL-1\", $b] }, name: $x }) { nodes { sku } } }",
        &[
            r#"{"a": "a", "b": "b"}"#,
            r##"{"a": "P-100", "b": "P-200", "x": {"ne": "a"}}"##,
            r#"{"a": "", "b": "", "x": null}"#,
        ],
    ),
    with(
        "query q($like: String, $family: String, $null: Boolean) { products(filter: { or: [{ sku: { like: $like } }, { family: { eq: $family } }], gtin: { isNull: $null } }) { totalCount nodes { sku family gtin } } }",
        &[
            r#"{"like": "%"}"#,
            r#"{"like": "S%", "family": "pump", "null": true}"#,
            r#"{"like": "\\%%", "family": null, "null": false}"#,
            "{}",
        ],
    ),
    with(
        "query q($list: [String!]) { products(filter: { family: { in: $list } }) { totalCount } all: products(filter: { family: { notIn: $list } }) { totalCount } }",
        &[
            "{}",
            r#"{"list": []}"#,
            r#"{"list": ["pump"]}"#,
            r#"{"list": "pump"}"#,
            r#"{"list": ["pump", "seal", "pump"]}"#,
            r#"{"list": null}"#,
        ],
    ),
    with(
        "query q($direction: OrderDirection, $field: SalesOrderOrderField!) { salesOrders(first: 5, orderBy: { field: $field, direction: $direction }) { nodes { number status } } }",
        &[
            r#"{"field": "NUMBER"}"#,
            r#"{"field": "STATUS", "direction": "DESC"}"#,
            r#"{"field": "PLACED_AT", "direction": "ASC"}"#,
            r#"{"field": "SHIPPED_ON", "direction": null}"#,
        ],
    ),
    with(
        "query q($status: SalesOrderStatus = OPEN) { salesOrders(first: 3, filter: { status: { eq: $status } }) { nodes { status } totalCount } }",
        &["{}", r#"{"status": "SHIPPED"}"#, r#"{"status": null}"#],
    ),
    with(
        "query q($f: SalesOrderFilter = { status: { in: [OPEN, SHIPPED] } }, $n: Int = 2) { salesOrders(first: $n, filter: $f) { nodes { status number } totalCount } }",
        &[
            "{}",
            r#"{"n": 4}"#,
            r#"{"f": {}}"#,
            r#"{"f": null, "n": null}"#,
            r#"{"f": {"lines": {"some": {"qty": {"gt": "10"}}}}}"#,
        ],
    ),
    with(
        "query q($day: Date, $at: DateTime, $qty: Decimal) { orderLines(first: 4, filter: { orderedOn: { gte: $day }, qty: { gt: $qty }, order: { placedAt: { lt: $at } } }) { totalCount nodes { orderedOn qty } } }",
        &[
            "{}",
            r#"{"day": "2026-01-01", "at": "2026-06-01T00:00:00Z", "qty": "5"}"#,
            r#"{"qty": 12.5}"#,
            r#"{"at": "2026-06-01T02:00:00+02:00"}"#,
        ],
    ),
    // ---- pages
    with(
        "query q($after: String, $before: String, $n: Int) { customers(first: $n, after: $after, before: $before, orderBy: { field: NAME }) { nodes { name } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } totalCount } }",
        &[
            r#"{"n": 2}"#,
            r##"{"n": 2, "after": "§customers|{field: NAME}|1"}"##,
            r##"{"n": 3, "after": "§customers|{field: NAME}|1", "before": "§customers|{field: NAME}|4"}"##,
            r##"{"n": 50, "after": "§customers|{field: NAME}|9999"}"##,
            r##"{"n": 3, "before": "§customers|{field: NAME}|2"}"##,
        ],
    ),
    with(
        "query q($after: String, $before: String, $n: Int) { customers(last: $n, after: $after, before: $before, orderBy: [{ field: CODE_NAME, direction: DESC }]) { edges { cursor node { codeName name } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }",
        &[
            r#"{"n": 2}"#,
            r##"{"n": 2, "before": "§customers|{field: CODE_NAME, direction: DESC}|5"}"##,
            r##"{"n": 2, "before": "§customers|{field: CODE_NAME, direction: DESC}|0"}"##,
            r##"{"n": 9, "after": "§customers|{field: CODE_NAME, direction: DESC}|2", "before": "§customers|{field: CODE_NAME, direction: DESC}|6"}"##,
            r##"{"n": 3, "after": "§customers|{field: CODE_NAME, direction: DESC}|9999"}"##,
        ],
    ),
    with(
        "query q($after: String) { contacts(first: 3, after: $after, orderBy: [{ field: EMAIL }]) { nodes { email } pageInfo { endCursor hasNextPage } } }",
        &["{}", r##"{"after": "§contacts|{field: EMAIL}|3"}"##, r##"{"after": "§contacts|{field: EMAIL}|9999"}"##],
    ),
    plain("{ customers(last: 4) { nodes { id name } } }"),
    plain(
        "{ customers(first: 6, orderBy: [{ field: POSTCODE }, { field: REGION, direction: DESC }]) { nodes { postcode region } } }",
    ),
    // ---- nested lists, a page for each parent
    plain(
        "{ customers(first: 4) { nodes { name orders(first: 2) { totalCount nodes { number lines(first: 2) { totalCount nodes { lineNo product { sku } } } } } } } }",
    ),
    plain(
        "{ customers(first: 5, orderBy: { field: NAME, direction: DESC }) { edges { cursor node { contacts(last: 1) { edges { cursor node { givenName } } pageInfo { hasPreviousPage hasNextPage startCursor } } } } } }",
    ),
    plain(
        "{ customers(first: 4) { nodes { orders(first: 1, orderBy: { field: PLACED_AT, direction: DESC }, filter: { status: { ne: CANCELLED } }) { nodes { number placedAt } pageInfo { hasNextPage } totalCount } } } }",
    ),
    plain(
        "{ customers(first: 4) { nodes { few: orders(first: 1) { nodes { number } } more: orders(first: 3) { nodes { number } } none: orders(first: 0) { nodes { number } totalCount } open: orders(filter: { status: { eq: OPEN } }) { totalCount } } } }",
    ),
    plain(
        "{ products(first: 5) { nodes { sku demandSeries(first: 2) { nodes { region buckets(first: 2, orderBy: { field: BUCKET_START, direction: DESC }) { totalCount nodes { bucketStart qty version { status } } } } } } } }",
    ),
    plain(
        "{ organisations { nodes { slug units(first: 3) { nodes { name children(first: 2) { nodes { name children { totalCount nodes { name parent { name } } } } } } } } } }",
    ),
    plain(
        "{ cases(first: 5) { nodes { number products(first: 2) { nodes { lotNo product { sku components(first: 2) { nodes { component { sku } qtyPer } } } } } messages(first: 1) { totalCount } } } }",
    ),
    with(
        "query q($n: Int, $f: OrderLineFilter, $after: String) { salesOrders(first: 3, after: $after) { nodes { lines(first: $n, filter: $f) { nodes { qty } totalCount } } } }",
        &[
            r#"{"n": 1}"#,
            r#"{"n": 0, "f": {"qty": {"gte": "1"}}}"#,
            r##"{"after": "§salesOrders||1"}"##,
            r#"{"n": null, "f": null, "after": null}"#,
        ],
    ),
    plain(
        "{ products(first: 3) { nodes { orderLines(first: 1) { pageInfo { hasNextPage hasPreviousPage } } components { __typename } } } }",
    ),
    plain(
        "{ products(first: 3) { pageInfo { hasNextPage } } a: products { __typename } b: products(first: 1) { nodes { __typename } } c: products { edges { __typename } } }",
    ),
    // ---- filters over relations
    plain(
        "{ customers(filter: { orders: { some: { lines: { some: { product: { family: { eq: \"pump\" } } } } } } }) { totalCount nodes { name } } }",
    ),
    plain(
        "{ customers(filter: { orders: { none: {} } }) { totalCount nodes { name } } a: customers(filter: { orders: { some: {} } }) { totalCount } b: customers(filter: { contacts: { some: { email: { isNull: false } }, none: { email: { isNull: true } } } }) { totalCount } }",
    ),
    plain(
        "{ salesOrders(filter: { customer: {} }) { totalCount } a: salesOrders(filter: { not: { customer: {} } }) { totalCount } b: salesOrders(filter: { soldBy: { slug: { ne: \"bergmann\" } } }) { totalCount } c: salesOrders(filter: { not: { soldBy: { slug: { eq: \"bergmann\" } } } }) { totalCount } }",
    ),
    plain(
        "{ demandBuckets(first: 4, filter: { series: { product: { sku: { like: \"%\" } }, region: { in: [\"DE\", \"AT\"] } }, firmness: { notIn: [FIRM] } }) { totalCount nodes { bucketStart firmness } } }",
    ),
    with(
        "query q($id: ID!, $ids: [ID!]) { customers(filter: { id: { eq: $id } }) { nodes { name } } b: customers(filter: { id: { in: $ids } }) { totalCount } c: salesOrders(filter: { customer: { id: { ne: $id } } }) { totalCount } d: customers(filter: { id: { notIn: $ids } }) { totalCount } }",
        &[r##"{"id": "#Customer/0", "ids": ["#Customer/1", "#Customer/2"]}"##, r##"{"id": "#Customer/3", "ids": []}"##],
    ),
    plain(
        "{ a: products(filter: {}) { totalCount } b: products(filter: { not: {} }) { totalCount } c: products(filter: { or: [] }) { totalCount } d: products(filter: { and: [] }) { totalCount } e: products(filter: { sku: {} }) { totalCount } f: products(filter: { not: { or: [] } }) { totalCount } g: products(filter: { or: [{}, { sku: { eq: \"x\" } }] }) { totalCount } h: products(filter: { sku: { in: [] } }) { totalCount } i: products(filter: { not: { sku: { in: [] } } }) { totalCount } }",
    ),
    plain(
        "{ a: customers(filter: { assignedPartner: { slug: { eq: \"bergmann\" } } }) { totalCount } b: customers(filter: { ndaLevel: { gte: 1 } }) { nodes { codeName name } } c: customers(filter: { ndaLevel: { in: [0, 2] } }) { totalCount } }",
    ),
    plain(
        "{ a: cases(filter: { safetyFlag: { eq: true } }) { totalCount } b: cases(filter: { safetyFlag: { ne: true } }) { totalCount } c: cases(filter: { closedAt: { isNull: true }, severity: { lte: 2 } }) { nodes { number severity } } }",
    ),
    plain(
        "{ a: products(filter: { name: { like: \"s%\" } }) { nodes { name } } b: products(filter: { name: { like: \"S%\" } }) { nodes { name } } c: products(filter: { name: { like: \"%\\\\%%\" } }) { totalCount } }",
    ),
    // ---- node and nodes
    with(
        "query q($id: ID!) { node(id: $id) { id __typename ... on Customer { name orders(first: 1) { totalCount nodes { number } } } ... on Product { sku } ... on Organisation { slug people(first: 2) { nodes { displayName } } } } }",
        &[
            r##"{"id": "#Customer/0"}"##,
            r##"{"id": "#Product/1"}"##,
            r##"{"id": "#Organisation/0"}"##,
            r##"{"id": "#Case/0"}"##,
            r#"{"id": "Product_AAAAAAAAAAAAAAAAAAAAAA"}"#,
        ],
    ),
    with(
        "query q($ids: [ID!]!) { nodes(ids: $ids) { id __typename ...c ... on Product { sku family } ... on Node { again: id } } } fragment c on Customer { name region contacts { totalCount } }",
        &[
            "{\"ids\": []}",
            r##"{"ids": ["#Product/2", "#Customer/0", "#Product/0", "#Product/2", "Customer_AAAAAAAAAAAAAAAAAAAAAA", "#Organisation/0"]}"##,
            r##"{"ids": "#Product/0"}"##,
        ],
    ),
    with(
        "query q($a: ID!, $b: ID!) { nodes(ids: [$a, $b]) { ... on Product { sku } } one: node(id: $a) { ... on Product { sku } } two: node(id: $b) { __typename } }",
        &[r##"{"a": "#Product/0", "b": "#Customer/0"}"##, r##"{"a": "#Customer/1", "b": "#Product/1"}"##],
    ),
    // ---- who asks
    plain(
        "{ viewer { __typename seat role organisation { slug displayName legalName units(first: 2) { nodes { name } } } person { displayName roles { totalCount } } agreements(first: 2, orderBy: { field: TITLE }) { totalCount nodes { title status scopes(first: 3) { nodes { objectType effect } } } } } }",
    ),
    plain("{ viewer { p: person { id } o: organisation { id parent { id } } o: organisation { slug } } }"),
    // ---- aggregates
    plain(
        "{ orderLineAggregate { count key { __typename } sum { qty } avg { qty lineNo } min { orderedOn qty } max { orderedOn lineNo } __typename } }",
    ),
    plain(
        "{ a: caseAggregate { key { severity } } b: caseAggregate { __typename } c: caseAggregate(groupBy: []) { key { __typename } } }",
    ),
    plain(
        "{ orderLineAggregate(groupBy: [ORDERED_ON_MONTH]) { key { orderedOnMonth orderedOn } count sum { qty } avg { qty } } }",
    ),
    plain(
        "{ orderLineAggregate(groupBy: [PRODUCT_FAMILY, ORDERED_ON_QUARTER]) { key { productFamily orderedOnQuarter } count min { qty } max { qty } } }",
    ),
    plain(
        "{ a: salesOrderAggregate(groupBy: STATUS) { key { status } count } b: salesOrderAggregate(groupBy: [SHIP_TO_REGION, STATUS], filter: { status: { ne: CANCELLED } }) { count key { s: status shipToRegion } } c: salesOrderAggregate(groupBy: [PLACED_AT_WEEK]) { count key { placedAtWeek } } d: salesOrderAggregate(groupBy: [PLACED_AT_DAY], filter: { placedAt: { gte: \"2026-05-01T00:00:00Z\" } }) { count key { placedAtDay } } }",
    ),
    plain(
        "{ customerAggregate(groupBy: [POSTCODE]) { key { postcode } count } a: customerAggregate(groupBy: [ASSIGNED_PARTNER_SLUG]) { key { assignedPartnerSlug } count } b: customerAggregate(groupBy: [NDA_LEVEL]) { key { ndaLevel } count sum { creditLimit ndaLevel } avg { churnRisk ndaLevel } } }",
    ),
    plain(
        "{ caseAggregate(groupBy: [SAFETY_FLAG, SEVERITY]) { key { safetyFlag severity } count min { openedAt } max { closedAt } } y: caseAggregate(groupBy: [OPENED_AT_YEAR, CLOSED_AT_MONTH]) { key { openedAtYear closedAtMonth } count } }",
    ),
    plain(
        "{ demandBucketAggregate(groupBy: [BUCKET_START_MONTH, FIRMNESS], filter: { series: { region: { eq: \"DE\" } } }) { key { bucketStartMonth firmness } sum { qty } count } }",
    ),
    plain(
        "{ orderLineAggregate(filter: { or: [] }) { count sum { qty } avg { qty } min { orderedOn } } none: orderLineAggregate(filter: { or: [] }, groupBy: [UOM]) { count } }",
    ),
    with(
        "query q($by: [SalesOrderGroupBy!], $f: SalesOrderFilter) { salesOrderAggregate(groupBy: $by, filter: $f) { count key { status shipToCountry } } }",
        &[
            "{}",
            r#"{"by": ["STATUS"], "f": {"shipToCountry": {"eq": "DE"}}}"#,
            r#"{"by": "SHIP_TO_COUNTRY"}"#,
            r#"{"by": [], "f": null}"#,
        ],
    ),
];
