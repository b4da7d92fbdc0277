-- Rows of flight_phase_counts and anomaly_alerts from `flights_ml`: aircraft are counted, not derived.
CREATE TABLE flight_phase_counts AS
SELECT date_trunc('minute', event_timestamp) AS window_start, window_start + INTERVAL 1 MINUTE AS window_end, flight_phase,
  count(*) AS observations, count(DISTINCT icao24) AS aircraft, avg(altitude_meters) AS avg_altitude_meters,
  count(altitude_meters) AS altitude_count, avg(velocity_kmh) AS avg_velocity_kmh, count(velocity_kmh) AS velocity_count,
  min(snapshot_timestamp) AS first_snapshot_timestamp, NULL AS created_at, NULL AS updated_at, CAST(window_start AS DATE) AS date
FROM flights_ml GROUP BY window_start, flight_phase;

CREATE TABLE in_windows AS
SELECT date_trunc('minute', event_timestamp) - INTERVAL (back) MINUTE AS window_start, flights_ml.*
FROM flights_ml CROSS JOIN range(5) AS backs(back);

CREATE TABLE examples AS
WITH firsts AS (
  SELECT *, anomalies[-1] AS reason FROM in_windows WHERE len(anomalies) > 0
  QUALIFY row_number() OVER (PARTITION BY window_start, origin_country, icao24 ORDER BY event_timestamp) = 1
), placed AS (
  SELECT *, row_number() OVER (PARTITION BY window_start, origin_country ORDER BY reason <> 'emergency_squawk', icao24) AS place FROM firsts
)
SELECT window_start, origin_country, list({'icao24': icao24, 'callsign': callsign, 'reason': reason,
  'value': CASE reason WHEN 'altitude_high' THEN altitude_meters WHEN 'altitude_low' THEN altitude_meters WHEN 'speed_high' THEN velocity_kmh
    WHEN 'vertical_rate' THEN vertical_rate WHEN 'altitude_mismatch' THEN geo_altitude_meters - altitude_meters ELSE CAST(squawk AS DOUBLE) END,
  'limit': CASE reason WHEN 'altitude_high' THEN 13716.0 WHEN 'altitude_low' THEN -300.0 WHEN 'speed_high' THEN 1170.0
    WHEN 'vertical_rate' THEN 30.0 WHEN 'altitude_mismatch' THEN 1000.0 END} ORDER BY place) AS examples
FROM placed WHERE place <= 5 GROUP BY window_start, origin_country;

CREATE TABLE anomaly_alerts AS
WITH counted AS (
  SELECT window_start, origin_country, count(*) AS observations, count(DISTINCT icao24) AS aircraft,
    count(DISTINCT CASE WHEN len(anomalies) > 0 THEN icao24 END) AS anomalous_aircraft,
    count_if(list_contains(anomalies, 'altitude_high')) AS altitude_high_count,
    count_if(list_contains(anomalies, 'altitude_low')) AS altitude_low_count,
    count_if(list_contains(anomalies, 'speed_high')) AS speed_high_count,
    count_if(list_contains(anomalies, 'vertical_rate')) AS vertical_rate_count,
    count_if(list_contains(anomalies, 'altitude_mismatch')) AS altitude_mismatch_count,
    count_if(list_contains(anomalies, 'emergency_squawk')) AS emergency_squawk_count,
    min(altitude_meters) AS min_altitude_meters, max(altitude_meters) AS max_altitude_meters, avg(altitude_meters) AS avg_altitude_meters,
    stddev_samp(altitude_meters) AS stddev_altitude_meters, count(altitude_meters) AS altitude_count,
    min(velocity_kmh) AS min_velocity_kmh, max(velocity_kmh) AS max_velocity_kmh, avg(velocity_kmh) AS avg_velocity_kmh,
    stddev_samp(velocity_kmh) AS stddev_velocity_kmh, count(velocity_kmh) AS velocity_count,
    min(snapshot_timestamp) AS first_snapshot_timestamp
  FROM in_windows GROUP BY window_start, origin_country
)
SELECT counted.*, window_start + INTERVAL 5 MINUTE AS window_end, anomalous_aircraft / aircraft AS anomaly_rate, NULL AS speed_low_count,
  coalesce(examples, []) AS examples, NULL AS created_at, NULL AS updated_at, CAST(window_start AS DATE) AS date
FROM counted LEFT JOIN examples USING (window_start, origin_country);
