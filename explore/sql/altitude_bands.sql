-- Altitude bands
-- Each 1,000 m of barometric altitude, lowest first; the last row has no altitude. An aircraft counts in every band it was in.
SELECT
    CAST(floor(altitude_meters / 1000) AS BIGINT) * 1000 AS from_meters,
    CAST(floor(altitude_meters / 1000) AS BIGINT) * 1000 + 1000 AS to_meters,
    count(DISTINCT icao24) AS aircraft,
    count(*) AS observations,
    CAST(100 * count(*) AS DOUBLE) / sum(count(*)) OVER () AS observations_percent,
    avg(velocity_kmh) AS mean_speed_kmh,
    stddev_samp(velocity_kmh) AS deviation_of_speed_kmh,
    CAST(100 * count(CASE WHEN flight_phase IN ('TAKEOFF', 'CLIMB') THEN 1 END) AS DOUBLE) / count(*) AS climbing_percent,
    CAST(100 * count(CASE WHEN flight_phase = 'DESCENT' THEN 1 END) AS DOUBLE) / count(*) AS descending_percent
FROM flights
GROUP BY CAST(floor(altitude_meters / 1000) AS BIGINT)
ORDER BY from_meters NULLS LAST
