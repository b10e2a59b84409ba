//! The statements of the hand-written handler. Each gives the whole answer as one text, byte for byte
//! what the hub writes: decimals without needless zeros, words of closed sets in capitals.

pub struct Statement {
    pub postgres: &'static str,
    pub sqlite: &'static str,
}

/// What the agreements with an organisation name.
pub const SCOPES: &str = "SELECT s.effect, s.product_id FROM sharing_agreement a \
    JOIN agreement_scope s ON s.agreement_id = a.id WHERE a.grantee_id = $1 AND s.product_id IS NOT NULL ORDER BY s.id";

/// 20 rows × 6 columns. Customers of level 2 are known to their team only.
pub const CUSTOMERS: Statement = Statement {
    postgres: r#"
SELECT '{"data":{"customers":{"nodes":' || array_to_json(ARRAY(SELECT row_to_json(c) FROM (
  SELECT name, country, region, industry, code_name AS "codeName",
    trim_scale(credit_limit * 0.0001)::text AS "creditLimit"
  FROM customer
  WHERE region = $1 AND (nda_level < 2 OR id IN (SELECT customer_id FROM customer_team WHERE principal_id = $2))
  ORDER BY id LIMIT 20
) c)) || '}}}'"#,
    sqlite: r#"
SELECT '{"data":{"customers":{"nodes":[' || coalesce(group_concat(row, ','), '') || ']}}}' FROM (
  SELECT json_object('name', name, 'country', country, 'region', region, 'industry', industry, 'codeName', code_name,
    'creditLimit', rtrim(rtrim(printf('%d.%04d', credit_limit / 10000, credit_limit % 10000), '0'), '.')) AS row
  FROM customer
  WHERE region = ?1 AND (nda_level < 2 OR id IN (SELECT customer_id FROM customer_team WHERE principal_id = ?2))
  ORDER BY id LIMIT 20
)"#,
};

/// 20 orders, each with its customer and ten lines, each of these with its product.
pub const ORDERS: Statement = Statement {
    postgres: r#"
SELECT '{"data":{"salesOrders":{"nodes":' || array_to_json(ARRAY(SELECT row_to_json(r) FROM (
  SELECT o.number, upper(o.status) AS status, o.requested_date AS "requestedDate",
    trim_scale(o.total * 0.0001)::text AS total,
    (SELECT row_to_json(x) FROM (SELECT c.name, c.region) x) AS customer,
    (SELECT row_to_json(x) FROM (SELECT ARRAY(SELECT row_to_json(l) FROM (
      SELECT l.line_no AS "lineNo", trim_scale(l.qty * 0.0001)::text AS qty,
        (SELECT row_to_json(x) FROM (SELECT p.sku, p.name) x) AS product
      FROM order_line l JOIN product p ON p.id = l.product_id
      WHERE l.order_id = o.id ORDER BY l.id LIMIT 10
    ) l) AS nodes) x) AS lines
  FROM sales_order o JOIN customer c ON c.id = o.customer_id
  WHERE o.ship_to_region = $1
    AND (c.nda_level < 2 OR c.id IN (SELECT customer_id FROM customer_team WHERE principal_id = $2))
  ORDER BY o.id LIMIT 20
) r)) || '}}}'"#,
    sqlite: r#"
SELECT '{"data":{"salesOrders":{"nodes":[' || coalesce(group_concat(row, ','), '') || ']}}}' FROM (
  SELECT json_object('number', o.number, 'status', upper(o.status), 'requestedDate', o.requested_date,
    'total', rtrim(rtrim(printf('%d.%04d', o.total / 10000, o.total % 10000), '0'), '.'),
    'customer', json_object('name', c.name, 'region', c.region),
    'lines', json_object('nodes', json((SELECT '[' || coalesce(group_concat(row, ','), '') || ']' FROM (
      SELECT json_object('lineNo', l.line_no,
        'qty', rtrim(rtrim(printf('%d.%04d', l.qty / 10000, l.qty % 10000), '0'), '.'),
        'product', json_object('sku', p.sku, 'name', p.name)) AS row
      FROM order_line l JOIN product p ON p.id = l.product_id
      WHERE l.order_id = o.id ORDER BY l.id LIMIT 10
    ))))) AS row
  FROM sales_order o JOIN customer c ON c.id = o.customer_id
  WHERE o.ship_to_region = ?1
    AND (c.nda_level < 2 OR c.id IN (SELECT customer_id FROM customer_team WHERE principal_id = ?2))
  ORDER BY o.id LIMIT 20
)"#,
};

/// A supplier's page of 100: its own published demand, within the policy's window and the agreement's scope,
/// neither of embargoed products nor of a customer under a non-disclosure agreement.
pub const BUCKETS: Statement = Statement {
    postgres: r#"
SELECT '{"data":{"demandBuckets":{"nodes":' || array_to_json(ARRAY(SELECT row_to_json(r) FROM (
  SELECT bucket_start AS "bucketStart", trim_scale(qty * 0.0001)::text AS qty, upper(firmness) AS firmness,
    (SELECT row_to_json(x) FROM (SELECT region, (SELECT row_to_json(x) FROM (SELECT sku, name) x) AS product) x) AS series,
    (SELECT row_to_json(x) FROM (SELECT version AS name) x) AS version
  FROM (
    SELECT b.bucket_start, b.qty, b.firmness, s.region, p.sku, p.name, v.name AS version
    FROM demand_bucket b
    JOIN demand_series s ON s.id = b.series_id
    JOIN product p ON p.id = s.product_id
    JOIN forecast_version v ON v.id = b.version_id
    LEFT JOIN customer c ON c.id = s.customer_id
    WHERE b.supplier_id = $1 AND b.bucket_start >= $2 AND b.bucket_start > $3 AND b.bucket_start <= $4
      AND v.status = 'published'
      AND (p.embargo_until IS NULL OR p.embargo_until <= $5 OR p.id = ANY($6))
      AND (c.nda_level IS NULL OR c.nda_level < 1)
      AND (p.family IN ('pumps', 'bearings', 'motors', 'shafts', 'filters', 'drives') OR p.id = ANY($6))
      AND p.id <> ALL($7)
    ORDER BY b.id LIMIT 100
  ) page
) r)) || '}}}'"#,
    sqlite: r#"
SELECT '{"data":{"demandBuckets":{"nodes":[' || coalesce(group_concat(row, ','), '') || ']}}}' FROM (
  SELECT json_object('bucketStart', b.bucket_start,
    'qty', rtrim(rtrim(printf('%d.%04d', b.qty / 10000, b.qty % 10000), '0'), '.'), 'firmness', upper(b.firmness),
    'series', json_object('region', s.region, 'product', json_object('sku', p.sku, 'name', p.name)),
    'version', json_object('name', v.name)) AS row
  FROM demand_bucket b
  JOIN demand_series s ON s.id = b.series_id
  JOIN product p ON p.id = s.product_id
  JOIN forecast_version v ON v.id = b.version_id
  LEFT JOIN customer c ON c.id = s.customer_id
  WHERE b.supplier_id = ?1 AND b.bucket_start >= ?2 AND b.bucket_start > ?3 AND b.bucket_start <= ?4
    AND v.status = 'published'
    AND (p.embargo_until IS NULL OR p.embargo_until <= ?5 OR p.id IN (?6, ?7, ?8, ?9, ?10))
    AND (c.nda_level IS NULL OR c.nda_level < 1)
    AND (p.family IN ('pumps', 'bearings', 'motors', 'shafts', 'filters', 'drives') OR p.id IN (?6, ?7, ?8, ?9, ?10))
    AND p.id NOT IN (?11, ?12)
  ORDER BY b.id LIMIT 100
)"#,
};

/// Order lines by month: how many, and what they bring.
pub const REVENUE: Statement = Statement {
    postgres: r#"
SELECT '{"data":{"orderLineAggregate":' || array_to_json(ARRAY(SELECT row_to_json(r) FROM (
  SELECT (SELECT row_to_json(x) FROM (SELECT m.month AS "orderedOnMonth") x) AS key, m.count,
    (SELECT row_to_json(x) FROM (SELECT trim_scale(m.net * 0.0001)::text AS "netAmount") x) AS sum
  FROM (
    SELECT date_trunc('month', l.ordered_on::timestamp)::date AS month, count(*) AS count, sum(l.net_amount) AS net
    FROM order_line l JOIN sales_order o ON o.id = l.order_id JOIN customer c ON c.id = o.customer_id
    WHERE c.nda_level < 2 OR c.id IN (SELECT customer_id FROM customer_team WHERE principal_id = $1)
    GROUP BY 1 ORDER BY 1
  ) m
) r)) || '}}'"#,
    sqlite: r#"
SELECT '{"data":{"orderLineAggregate":[' || coalesce(group_concat(row, ','), '') || ']}}' FROM (
  SELECT json_object('key', json_object('orderedOnMonth', date(l.ordered_on, 'start of month')), 'count', count(*),
    'sum', json_object('netAmount', rtrim(rtrim(printf('%d.%04d', sum(l.net_amount) / 10000, sum(l.net_amount) % 10000), '0'), '.'))) AS row
  FROM order_line l JOIN sales_order o ON o.id = l.order_id JOIN customer c ON c.id = o.customer_id
  WHERE c.nda_level < 2 OR c.id IN (SELECT customer_id FROM customer_team WHERE principal_id = ?1)
  GROUP BY date(l.ordered_on, 'start of month') ORDER BY date(l.ordered_on, 'start of month')
)"#,
};
